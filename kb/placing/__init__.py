"""Assisted placement: likely risks and kind of a paper, with the neighbours that say so.

``features`` says how alike papers are, ``model`` learns from what curators placed, ``offers``
keeps its proposals in PostgreSQL, ``decisions`` writes what a curator made of one, and
``notes`` takes what visitors suggest.
"""
