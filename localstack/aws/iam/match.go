package iam

// matches compares an action or an ARN with a pattern, in which * stands for any
// characters and ? for any one, both within a segment: what is between colons. Only
// a * at the end of its segment goes on past colons. Time grows with the power of
// the stars, of which templates write two or three.
//
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
func matches(pattern, text string) bool {
	for pattern != "" {
		if pattern[0] == '*' {
			return matchesStar(pattern[1:], text)
		}
		if text == "" || pattern[0] != text[0] && (pattern[0] != '?' || text[0] == ':') {
			return false
		}
		pattern, text = pattern[1:], text[1:]
	}
	return text == ""
}

// matchesStar compares text with a * and the rest of the pattern after it.
func matchesStar(rest, text string) bool {
	if rest == "" {
		return true
	}
	for i := range len(text) {
		if matches(rest, text[i:]) {
			return true
		}
		if text[i] == ':' && rest[0] != ':' {
			return false
		}
	}
	return false
}
