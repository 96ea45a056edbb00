"""Records and images in: commit first, then answer."""
