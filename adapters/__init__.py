"""Telephony providers behind one contract; one file a provider."""
