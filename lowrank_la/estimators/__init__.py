"""Estimators for tables: data in as people have them, the completed table out."""
