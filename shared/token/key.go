package token

import (
	"slices"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"
)

// maxCandidates bounds how many keys a token's signature is checked with.
const maxCandidates = 16

// key is a key with the one algorithm that it is good for.
type key struct {
	id        string // empty if it has none
	algorithm algorithm
	material  any // *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey, or []byte for a secret
}

// algorithm is the names by which tokens and keys may call one algorithm.
type algorithm []jwa.SignatureAlgorithm

var (
	hs256 = algorithm{jwa.HS256()}
	rs256 = algorithm{jwa.RS256()}
	es256 = algorithm{jwa.ES256()}
	// ed25519Names are the new and the old name (RFC 9864, section 2.2). The old one is also
	// that of Ed448, of which no key is taken.
	ed25519Names = algorithm{jwa.EdDSAEd25519(), jwa.EdDSA()}
)

func (a algorithm) has(name string) bool {
	return slices.ContainsFunc(a, func(known jwa.SignatureAlgorithm) bool { return known.String() == name })
}

// keys are the answer to one fetch.
type keys struct {
	all     []key
	fetch   int       // which one, counted from 1
	fetched time.Time // when it began
}

// verify checks that one of the keys has signed a token.
func (k *keys) verify(signed compact) error {
	candidates := k.candidates(signed)
	if len(candidates) == 0 {
		return refuse("no key has its id and algorithm")
	}
	named, _ := jwa.LookupSignatureAlgorithm(signed.algorithm) // it is one of a candidate's
	for _, candidate := range candidates {
		_, err := jws.Verify(signed.raw, jws.WithKey(named, candidate.material),
			jws.WithCompact(), jws.WithAlgorithmMatch(true), jws.WithCritValidation(true))
		if err == nil {
			return nil
		}
	}
	return refuse("its signature is wrong") // what jwx says may quote the token
}

// candidates gives the keys that may have signed a token, at most maxCandidates: those of
// its algorithm that have its id, or else those that have none. Issuers exist that give
// two keys one id, and tokens or keys none, so there may be several (RFC 7515, section
// 4.1.4; RFC 7517, section 4.5).
func (k *keys) candidates(signed compact) []key {
	var exact, others []key
	for _, candidate := range k.all {
		switch {
		case !candidate.algorithm.has(signed.algorithm):
		case signed.keyID != "" && candidate.id == signed.keyID:
			exact = append(exact, candidate)
		case signed.keyID == "" || candidate.id == "":
			others = append(others, candidate)
		}
	}
	if len(exact) > 0 {
		others = exact
	}
	return others[:min(len(others), maxCandidates)]
}
