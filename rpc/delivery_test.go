package rpc_test

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/model/modeltest"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/sender"
	"tokensmith/rpc/sender/sendertest"
	"tokensmith/store/storetest"
)

// newPosting returns a service that sends with senders. Its clock runs like the real one, and can be advanced.
func newPosting(t *testing.T, url string, senders map[string]sender.Sender) *guarded {
	g, _ := newPostingUntil(t, url, senders)
	return g
}

// newPostingUntil is newPosting, and also returns a function that ends its deliveries. They end with the test at the latest.
func newPostingUntil(t *testing.T, url string, senders map[string]sender.Sender) (g *guarded, end func()) {
	s := newService(t, url, func(c *dispatch.Config) { c.Senders, c.PublicURL = senders, "https://tokens.example" })
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		s.Deliver(ctx)
		close(done)
	}()
	end = func() {
		stop()
		<-done
	}
	t.Cleanup(end)
	g = &guarded{s, t}
	g.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
	g.do(t, "user/create", `{"attrs":{"domain.name":"d","loginName":"ute","firstName":"Üte","email":"ute@mail.example","mobile":"+491700000000"}}`)
	g.do(t, "product/create", `{"attrs":{"name":"Coded","manufacturerCode":"XX","productCode":"CODED","algorithm":"TOTP","kind":"SOFT","activation":"CODE"}}`)
	g.do(t, "token/create", fmt.Sprintf(`{"attrs":{"product.productCode":"CODED","serial":"1","seed":"%x","user.loginName":"ute"}}`, seedOf("1")))
	return g, end
}

var assignmentOfUte = `"user":{"loginName":"ute"},"token":{"serial":"1"}`

func TestActivationByMail(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		r := sendertest.NewRelay(t)
		c, err := sender.NewSMTP("smtp://"+r.Addr+"?tls=none", "tokens@mail.example")
		if err != nil {
			t.Fatal(err)
		}
		g := newPosting(t, url, map[string]sender.Sender{model.SMTP: c})
		right := g.at(totp, "1", 0)
		g.want(203, g.verify("ute", right, `,"token":{"serial":"1"}`), "not active yet")

		g.do(t, "template/set", `{"template":{"name":"activationCode"},"attrs":{"subject":"Grüße, {firstName}","text":"{code} for {serial}"}}`)
		_, reply := g.post("/template/set", `{"template":{"name":"activationCode"},"attrs":{"text":"{code} {colour}"}}`)
		if !strings.Contains(reply, "attrs.text: has no parameter {colour}") {
			t.Error(reply)
		}
		send := func() string {
			g.do(t, "tokenAssignment/sendActivationCode", `{`+assignmentOfUte+`,"channel":"SMTP"}`)
			mail := r.Wait(t)
			m := regexp.MustCompile(`^to ute@mail.example\nGrüße, Üte\n([0-9A-HJKMNP-TV-Z]{8}) for 1\n*$`).FindStringSubmatch(mail)
			if m == nil {
				t.Fatalf("the mail is %q", mail)
			}
			return m[1]
		}
		old := send()
		code := send()
		activate := func(path, code string) int {
			_, reply := g.post(path, `{`+assignmentOfUte+`,"code":"`+code+`"}`)
			return codeIn(reply)
		}
		g.want(304, activate("/tokenAssignment/activate", old), "an older code")
		for range 3 {
			g.want(304, activate("/auth/activateTokenAssignment", "WRONG"), "wrong")
		}
		g.want(0, activate("/auth/activateTokenAssignment", strings.ToLower(code)), "right, after four wrong ones")
		g.want(304, activate("/auth/activateTokenAssignment", code), "used")
		g.clock.advance(time.Minute)
		g.want(0, g.verify("ute", g.at(totp, "1", 0)), "active")

		// Five wrong codes end the right one, and so does time.
		inactive := func() {
			g.do(t, "tokenAssignment/set", `{"tokenAssignment":{"token.serial":"1"},"attrs":{"status":"INACTIVE"}}`)
		}
		inactive()
		code = send()
		for range 5 {
			g.want(304, activate("/auth/activateTokenAssignment", "WRONG"), "wrong")
		}
		g.want(304, activate("/auth/activateTokenAssignment", code), "dead after five")
		code = send()
		g.clock.advance(48 * time.Hour)
		g.want(304, activate("/tokenAssignment/activate", code), "expired")
		code = send()
		sum := sha1.Sum([]byte(code))
		_, reply = g.post("/auth/activateTokenAssignment", `{`+assignmentOfUte+`,"acHash":"`+base64.StdEncoding.EncodeToString(sum[:])+`"}`)
		g.want(0, codeIn(reply), "by its hash")
		_, reply = g.post("/auth/activateTokenAssignment", `{"user":{"loginName":"nobody"},"token":{"serial":"1"},"code":"x"}`)
		g.want(304, codeIn(reply), "unknown user")
		inactive()
		code = send()
		g.do(t, "tokenAssignment/set", `{"tokenAssignment":{"token.serial":"1"},"attrs":{"status":"DISABLED"}}`)
		g.want(304, activate("/auth/activateTokenAssignment", code), "disabled meanwhile")
		_, reply = g.post("/tokenAssignment/sendActivationCode", `{`+assignmentOfUte+`,"channel":"SMTP"}`)
		g.want(11, codeIn(reply), "nothing to activate")

		// The mail with the link.
		g.do(t, "tokenAssignment/sendDownloadUrl", `{`+assignmentOfUte+`,"channel":"SMTP"}`)
		if m := r.Wait(t); !regexp.MustCompile(`https://tokens\.example/p/[A-Za-z0-9_-]{32}\n`).MatchString(m) {
			t.Errorf("%q", m)
		}
		// The bodies of sent messages are deleted, and codes were never logged.
		rows := g.do(t, "delivery/search", `{"return":["status","template","recipient"]}`).(map[string]any)["rows"].([]any)
		for _, row := range rows {
			if m := row.(map[string]any); m["recipient"] != "ute@mail.example" || m["status"] == "FAILED" {
				t.Error(m)
			}
		}
		if strings.Contains(g.log.String(), code) || strings.Contains(dump(t, g.service, url), code) {
			t.Error("the code shows in the log or the database")
		}
	})
}

func TestPasscodeBySMS(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		secret := []byte("sixteen bytes or more")
		texts := make(chan string, 10)
		failures := 1
		gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if r.Header.Get(sender.SignatureHeader) != sender.Sign(secret, r.Header.Get(sender.TimestampHeader), body) {
				t.Errorf("wrong signature")
			}
			if failures > 0 {
				failures--
				http.Error(w, "busy", http.StatusServiceUnavailable)
				return
			}
			texts <- string(body)
		}))
		defer gateway.Close()
		c, err := sender.NewWebhook(gateway.URL, secret, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		g := newPosting(t, url, map[string]sender.Sender{model.SMS: c})
		send := func(user string) int {
			_, reply := g.post("/auth/sendOTP", fmt.Sprintf(`{"user":{"loginName":%q}}`, user))
			return codeIn(reply)
		}
		g.want(0, send("nobody"), "an unknown user")
		g.want(0, send("ute"), "sent")
		// The first attempt fails and is recorded. It is repeated after ten seconds.
		modeltest.Until(t, "refused by the gateway", func() bool {
			row := fmt.Sprint(g.do(t, "delivery/search", `{"return":["status","attempts","reason"]}`).(map[string]any)["rows"])
			return row == "[map[attempts:1 reason:the gateway answered 503 Service Unavailable status:QUEUED]]"
		})
		g.clock.advance(10 * time.Second)
		next := func() string {
			select {
			case text := <-texts:
				m := regexp.MustCompile(`^\{"to":"\+491700000000","text":"Your one-time passcode is (\d{6})\\n`).FindStringSubmatch(text)
				if m == nil {
					t.Fatal(text)
				}
				return m[1]
			case <-time.After(modeltest.Patience):
				t.Fatal("no text came")
				return ""
			}
		}
		code := next()
		g.want(0, send("ute"), "again at once")
		_, reply := g.post("/auth/verify", `{"user":{"loginName":"ute"},"credential":{"otp":"`+code+`"},"return":["loginName","token.serial"]}`)
		if want := `{"error":0,"result":{"loginName":"ute","token.serial":null}}`; reply != want {
			t.Error(reply)
		}
		g.want(201, g.verify("ute", code), "once")
		g.clock.advance(30 * time.Second)
		g.want(0, send("ute"), "sent")
		code = next()
		g.clock.advance(5 * time.Minute)
		g.want(201, g.verify("ute", code), "after five minutes")
		if n := len(texts); n != 0 {
			t.Errorf("%d texts more", n)
		}
	})
}

// TestDeliverySurvivesRestart: a delivery survives the process, and another process sends it.
func TestDeliverySurvivesRestart(t *testing.T) {
	t.Parallel()
	url := storetest.SQLite(t)
	refusing := refuser{}
	g, end := newPostingUntil(t, url, map[string]sender.Sender{model.SMTP: refusing})
	g.do(t, "tokenAssignment/sendActivationCode", `{`+assignmentOfUte+`,"channel":"SMTP"}`)
	modeltest.Until(t, "a refusal", func() bool { return g.total(t, "delivery", `["attempts","=","1"]`) == 1 })
	end()
	r := sendertest.NewRelay(t)
	c, err := sender.NewSMTP("smtp://"+r.Addr+"?tls=none", "tokens@mail.example")
	if err != nil {
		t.Fatal(err)
	}
	other := &service{url: url, clock: g.clock, log: g.log, keyFile: g.keyFile, id: g.id, key: g.key}
	other.open(t, 1, func(cfg *dispatch.Config) { cfg.Senders = map[string]sender.Sender{model.SMTP: c} })
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { other.Deliver(ctx); close(done) }()
	defer func() { stop(); <-done }()
	g.clock.advance(10 * time.Second) // then the next attempt is due
	modeltest.Until(t, "a mail", func() bool { return r.Mails() > 0 })
	if m := r.Wait(t); !strings.Contains(m, "activation code") {
		t.Errorf("%q", m)
	}
}

type refuser struct{}

func (refuser) Send(context.Context, sender.Message) error { return errors.New("no way out") }

// TestDeliveryByMany: several processes send the queued messages, each message once, and each process sends some.
func TestDeliveryByMany(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		const messages = 150
		sent := make(chan delivered, 2*messages)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		one := newService(t, url, sendsMail)
		one.do(t, "domain/create", `{"attrs":{"name":"d"}}`)
		for i := range messages {
			one.do(t, "user/create", fmt.Sprintf(`{"attrs":{"domain.name":"d","loginName":"u%d","email":"u%d@mail.example"}}`, i, i))
			one.do(t, "auth/sendOTP", fmt.Sprintf(`{"user":{"loginName":"u%d"}}`, i))
		}
		const processes = 3
		var all sync.WaitGroup
		for n := range processes {
			other := &service{url: one.url, clock: one.clock, log: one.log, keyFile: one.keyFile, id: one.id, key: one.key}
			other.open(t, uint64(n)+1, func(c *dispatch.Config) { c.Senders = map[string]sender.Sender{model.SMTP: &postman{n, sent}} })
			all.Go(func() { other.Deliver(ctx) })
		}
		to, by := map[string]int{}, [processes]int{}
		for range messages {
			select {
			case d := <-sent:
				to[d.to]++
				by[d.by]++
			case <-time.After(modeltest.Patience):
				t.Fatalf("only %d were sent", len(to))
			}
		}
		modeltest.Until(t, "all are noted as sent", func() bool { return one.total(t, "delivery", `["status","=","SENT"]`) == messages })
		stop()
		all.Wait()
		if len(to) != messages || len(sent) != 0 {
			t.Errorf("%d were sent, to %d of %d", messages+len(sent), len(to), messages)
		}
		for _, n := range by {
			if n < messages/10 {
				t.Errorf("the processes sent %v: they wait for each other", by)
			}
		}
	})
}

// delivered says to whom a message was sent, and by which postman.
type delivered struct {
	to string
	by int
}

// postman is a slow sender.
type postman struct {
	number int
	sent   chan delivered
}

func (p *postman) Send(_ context.Context, m sender.Message) error {
	time.Sleep(10 * time.Millisecond)
	p.sent <- delivered{m.To, p.number}
	return nil
}
