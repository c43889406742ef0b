// Types of "./patterns", which a page imports only to have it loaded before its first watch of a pattern.
export {}
