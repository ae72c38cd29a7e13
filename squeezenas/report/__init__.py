"""Pictures of a search. Each module draws one and imports matplotlib only while it does."""
