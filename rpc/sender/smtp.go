package sender

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/wneessen/go-mail"
)

// SMTP sends e-mail through a relay.
type SMTP struct {
	host string
	from string
	opts []mail.Option
}

// NewSMTP parses the URL of the relay: smtp://user:password@host:587 (STARTTLS is required), smtps://host:465 (TLS from the
// beginning), or smtp://host:25?tls=none for a relay on this machine.
func NewSMTP(raw, from string) (*SMTP, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" {
		return nil, errors.New("the SMTP URL must be like smtp://user:password@host:587 or smtps://host")
	}
	if err := mail.NewMsg().From(from); err != nil {
		return nil, fmt.Errorf("the sender %q is not an e-mail address", from)
	}
	s := &SMTP{host: u.Hostname(), from: from}
	switch tls := u.Query().Get("tls"); {
	case u.Scheme == "smtps":
		s.opts = append(s.opts, mail.WithSSL(), mail.WithPort(465))
	case tls == "none":
		s.opts = append(s.opts, mail.WithTLSPolicy(mail.NoTLS), mail.WithPort(25))
	case tls == "":
		s.opts = append(s.opts, mail.WithTLSPolicy(mail.TLSMandatory), mail.WithPort(587))
	default:
		return nil, errors.New("the SMTP URL's tls can only be none")
	}
	if u.Port() != "" {
		port, err := strconv.Atoi(u.Port())
		if err != nil {
			return nil, errors.New("the SMTP URL's port is not a number")
		}
		s.opts = append(s.opts, mail.WithPort(port))
	}
	if u.User != nil {
		password, _ := u.User.Password()
		s.opts = append(s.opts, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(u.User.Username()), mail.WithPassword(password))
	}
	return s, nil
}

// Send sends one e-mail.
func (s *SMTP) Send(ctx context.Context, m Message) error {
	msg := mail.NewMsg()
	if err := msg.From(s.from); err != nil {
		return errors.New("the sender is not an e-mail address")
	}
	if err := msg.To(m.To); err != nil {
		return errors.New("the recipient is not an e-mail address")
	}
	msg.Subject(m.Subject)
	msg.SetBodyString(mail.TypeTextPlain, m.Text)
	client, err := mail.NewClient(s.host, s.opts...)
	if err != nil {
		return err
	}
	return client.DialAndSendWithContext(ctx, msg)
}
