"""The REST API, free of the web: a `Call` goes in, a `Reply` comes out, so that composite requests call it again."""
