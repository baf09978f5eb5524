"""Pages for people who run or connect an installation: asked for with their user name and password."""
