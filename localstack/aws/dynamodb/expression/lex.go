package expression

import "strings"

type tokenKind byte

const (
	endToken     tokenKind = iota // the end of the text
	wordToken                     // a name, a function or a keyword
	nameToken                     // #placeholder
	valueToken                    // :placeholder
	numberToken                   // a list index
	symbolToken                   // an operator or punctuation
	illegalToken                  // a character of no use
)

// token is a piece of an expression's text, from start up to end.
type token struct {
	kind       tokenKind
	text       string
	start, end int
}

// lex divides a text into tokens; the last is always an endToken.
func lex(text string) []token {
	tokens := make([]token, 0, len(text)/3+2)
	for at := 0; ; {
		for at < len(text) && strings.IndexByte(" \t\r\n", text[at]) >= 0 {
			at++
		}
		if at == len(text) {
			return append(tokens, token{kind: endToken, text: "<EOF>", start: at, end: at})
		}
		kind, length := next(text[at:])
		tokens = append(tokens, token{kind, text[at : at+length], at, at + length})
		at += length
	}
}

// next finds the token that text begins with.
func next(text string) (kind tokenKind, length int) {
	c := text[0]
	switch {
	case isLetter(c):
		return wordToken, span(text, isWord)
	case c == '0':
		return numberToken, 1
	case isDigit(c):
		return numberToken, span(text, isDigit)
	case c == '#' || c == ':':
		return placeholder(text)
	case c == '<' && len(text) > 1 && (text[1] == '>' || text[1] == '='):
		return symbolToken, 2
	case c == '>' && len(text) > 1 && text[1] == '=':
		return symbolToken, 2
	case strings.IndexByte("=<>()[],.+-", c) >= 0:
		return symbolToken, 1
	}
	for length = 1; length < len(text) && text[length]&0xC0 == 0x80; { // the rest of a character
		length++
	}
	return illegalToken, length
}

func placeholder(text string) (kind tokenKind, length int) {
	length = 1 + span(text[1:], isWord)
	switch {
	case length == 1:
		return illegalToken, 1
	case text[0] == '#':
		return nameToken, length
	default:
		return valueToken, length
	}
}

// span counts the bytes at the beginning of text that are in the class.
func span(text string, class func(byte) bool) int {
	n := 0
	for n < len(text) && class(text[n]) {
		n++
	}
	return n
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isWord(c byte) bool   { return isLetter(c) || isDigit(c) || c == '_' }
