// Package courier carries messages out of the house: e-mail by SMTP, text messages by an HTTP gateway. A courier
// tries once; when to try again is its caller's to decide. Its errors say why without quoting the message.
package courier

import "context"

// Message is one message to one recipient.
type Message struct {
	To      string `json:"to"` // an e-mail address or a phone number
	Subject string `json:"subject"`
	Text    string `json:"text"`
}

// Courier carries messages of one channel. It is safe for concurrent use.
type Courier interface {
	Send(ctx context.Context, m Message) error
}
