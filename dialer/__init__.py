"""The engine and its faces: may import the three leaves (campaigns, adapters, config)."""
