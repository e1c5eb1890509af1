"""Control pairs: one error of a chosen type planted into a correct caption, with its exact span.

control       writes a dataset of control pairs; source reads captions, draw chooses which of them get which error
rules         plants by rules: attribute, direction, illusion, location, number, objects, relation, texts
reading       a sentence as rules see it; clause what it is about; known what its caption says of how many there are
english       articles, plurals, capitals; vocabulary the words that are exchanged
plant         puts an edit into a caption and checks the sentences; edit is what a rule proposes
asked         plants by a text model; again plants once more from provenance
"""
