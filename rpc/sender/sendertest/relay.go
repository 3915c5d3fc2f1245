// Package sendertest contains a mail relay for tests of messages.
package sendertest

import (
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"tokensmith/model/modeltest"
)

// Relay is a real SMTP server that keeps the mails that it receives.
type Relay struct {
	Addr string // host:port

	mu    sync.Mutex
	mails []string
	came  chan struct{}
}

// Tester is the part of testing.TB that a Relay needs.
type Tester interface {
	Fatal(args ...any)
	Cleanup(func())
}

// NewRelay starts a relay that stops when the test ends.
func NewRelay(t Tester) *Relay {
	r := &Relay{came: make(chan struct{}, 100)}
	srv := smtp.NewServer(r)
	srv.Domain, srv.AllowInsecureAuth = "localhost", true
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.Addr = l.Addr().String()
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return r
}

// NewSession implements smtp.Backend.
func (r *Relay) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{r: r}, nil }

type session struct {
	r  *Relay
	to string
}

func (s *session) Mail(string, *smtp.MailOptions) error { return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = to; return nil }

func (s *session) Reset() {}

func (s *session) Logout() error { return nil }

func (s *session) Data(body io.Reader) error {
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	m, err := mail.ReadMessage(strings.NewReader(string(b)))
	if err != nil {
		return err
	}
	subject, _ := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	var text io.Reader = m.Body
	if m.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
		text = quotedprintable.NewReader(text)
	}
	plain, err := io.ReadAll(text)
	s.r.mails = append(s.r.mails, "to "+s.to+"\n"+subject+"\n"+strings.ReplaceAll(string(plain), "\r\n", "\n"))
	s.r.came <- struct{}{}
	return err
}

// Wait waits for the next mail and returns it as lines: "to ADDRESS", the subject, and the text.
func (r *Relay) Wait(t Tester) string {
	select {
	case <-r.came:
	case <-time.After(modeltest.Patience):
		t.Fatal("no mail came")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mails[len(r.mails)-1]
}

// Mails returns the number of mails received.
func (r *Relay) Mails() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.mails)
}
