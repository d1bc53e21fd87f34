package sts

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"time"

	"watari.dev/lab/aws/wire"
)

// Session is what temporary credentials stand for.
type Session struct {
	AccessKey string
	Secret    string `json:"-"`
	Expires   time.Time
	Caller    wire.Caller
}

// issue makes credentials that end after d. They are remembered by nobody: the token
// holds the session, sealed, so an emulator that was started again knows them.
func (s *Service) issue(who wire.Caller, d time.Duration) (Session, string) {
	var random [10]byte
	_, _ = rand.Read(random[:]) // crypto/rand documents that Read never returns an error
	session := Session{
		AccessKey: "ASIA" + base32.StdEncoding.EncodeToString(random[:]),
		Expires:   s.Now().Add(d).UTC().Truncate(time.Second), Caller: who,
	}
	session.Caller.Temporary = true
	session.Secret = s.secretOf(session.AccessKey)
	text, err := json.Marshal(session)
	if err != nil {
		panic("sts: write a session: " + err.Error()) // strings and a time
	}
	return session, base64.StdEncoding.EncodeToString(append(s.mac("token", string(text)), text...))
}

// Session returns what an access key and its token stand for. It has expired where
// Expires says so.
func (s *Service) Session(accessKey, token string) (Session, bool) {
	sealed, err := base64.StdEncoding.DecodeString(token)
	if err != nil || len(sealed) < sha256.Size {
		return Session{}, false
	}
	seal, text := sealed[:sha256.Size], sealed[sha256.Size:]
	var session Session
	if !hmac.Equal(seal, s.mac("token", string(text))) || json.Unmarshal(text, &session) != nil || session.AccessKey != accessKey {
		return Session{}, false
	}
	session.Secret = s.secretOf(accessKey)
	return session, true
}

// secretOf has 40 characters, as AWS's.
func (s *Service) secretOf(accessKey string) string {
	return base64.StdEncoding.EncodeToString(s.mac("secret", accessKey)[:30])
}

func (s *Service) mac(purpose, text string) []byte {
	mac := hmac.New(sha256.New, []byte(s.Seal))
	mac.Write([]byte(purpose + "/" + text))
	return mac.Sum(nil)
}
