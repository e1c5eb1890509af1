"""Label Studio: labelling tasks out, annotations in."""
