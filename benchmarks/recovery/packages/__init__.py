"""One file for each package; what it wraps is imported when it runs, not before.

Every contender gets the rank and knows when its answer is accurate enough, which no user does:
where a package has a callback it is stopped right then, elsewhere the settings are tried and the
one that gets there first counts. Starts, steps and gradients are the best we found for it.
"""
