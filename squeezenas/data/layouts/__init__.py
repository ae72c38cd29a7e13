"""One arrangement of files a module; each registers itself under the name a card gives."""
