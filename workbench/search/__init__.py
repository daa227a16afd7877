"""Search: texts become vectors, vectors become ranked hits with reasons.

``vectors`` < ``graphs`` · ``embedding`` · ``lexical`` · ``named`` < ``texts`` < ``ranking`` < ``reading`` <
``corpora`` < ``searcher`` (the noun that owns them). Each sees only what stands left of it.
"""
