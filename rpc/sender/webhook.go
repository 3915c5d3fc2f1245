package sender

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json"
)

// SignatureHeader has the value "sha256=" followed by the HMAC-SHA-256, in hex, of "timestamp.body" with the webhook's secret.
// TimestampHeader has the timestamp, in seconds since 1970.
const (
	SignatureHeader = "X-Tokensmith-Signature"
	TimestampHeader = "X-Tokensmith-Timestamp"
)

// Webhook sends text messages to a gateway, as POST requests with {"to":...,"text":...}.
type Webhook struct {
	url    string
	secret []byte
	now    func() time.Time
	client *http.Client
}

// NewWebhook returns a Webhook after it has checked the URL of the gateway. The secret signs each request.
func NewWebhook(raw string, secret []byte, now func() time.Time) (*Webhook, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the SMS webhook must be an http or https URL")
	}
	if len(secret) < 16 {
		return nil, errors.New("the SMS webhook's secret must have at least 16 bytes")
	}
	// Do not follow a redirect, because it could send the message to another host.
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &Webhook{raw, secret, now, client}, nil
}

// Sign returns the signature of a request's body.
func Sign(secret []byte, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%s.", timestamp)
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// Send posts one message. Any status 2xx means success.
func (w *Webhook) Send(ctx context.Context, m Message) error {
	body, err := json.Marshal(struct {
		To   string `json:"to"`
		Text string `json:"text"`
	}{m.To, m.Text})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	timestamp := fmt.Sprint(w.now().Unix())
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(TimestampHeader, timestamp)
	r.Header.Set(SignatureHeader, Sign(w.secret, timestamp, body))
	resp, err := w.client.Do(r)
	if err != nil {
		// The error quotes the URL, which may contain a key.
		var e *url.Error
		if errors.As(err, &e) {
			err = e.Err
		}
		return err
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the gateway answered %s", resp.Status)
	}
	return nil
}
