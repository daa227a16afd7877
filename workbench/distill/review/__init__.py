"""Human review: decisions as appended records, what to look at next, how far reviewers agree, what leaves by their
word.
"""
