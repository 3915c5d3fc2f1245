// Package sender sends messages: e-mail by SMTP, and text messages through an HTTP gateway. A Sender tries once; the caller
// decides when to try again. Errors give the reason and do not quote the message.
package sender

import (
	"context"
)

// Message is one message to one recipient.
type Message struct {
	To      string `json:"to"` // an e-mail address or a phone number
	Subject string `json:"subject"`
	Text    string `json:"text"`
}

// Sender sends messages on one channel. It is safe for concurrent use.
type Sender interface {
	Send(ctx context.Context, m Message) error
}
