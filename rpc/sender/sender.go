// Package sender sends messages: e-mail by SMTP, text messages by an HTTP gateway. A sender
// tries once; when to try again is its caller's to decide. Its errors say why without quoting the message.
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

// Sender sends messages of one channel. It is safe for concurrent use.
type Sender interface {
	Send(ctx context.Context, m Message) error
}
