"""Pictures of a search; a module draws one and imports matplotlib only while it does.

`page` is the HTML report.
"""
