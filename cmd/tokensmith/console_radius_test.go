package main

import (
	"net"
	"regexp"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestConsoleRadiusClients: an administrator makes a client of RADIUS, whose secret is shown once, beside what to paste into the
// client; the page of one tells who asked, how often, and why it was refused; and its secret is rotated.
func TestConsoleRadiusClients(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t, "--radius-listen", "127.0.0.1:0")
	c.result(t, service.url, "user/create", attrsOf("loginName", "ada", "domain.name", "local"))
	p.opens("RADIUS clients")
	p.sees("No RADIUS clients")
	p.click("button", "New RADIUS client")
	p.fill("Name", "gateway")
	p.click("button", "Save")
	p.sees("Please fill this in")
	p.fill("Address", "192.0.2.7")
	p.pick("Application", "toke", "tokensmith")
	p.looks("radius-client-new")
	p.click("button", "Save")
	p.find("dialog", "New RADIUS client", 1)
	p.sees("Message-Authenticator  required")
	p.looks("radius-client-made")
	shown := func() string {
		t.Helper()
		var text string
		p.do(chromedp.Evaluate(`document.querySelector("dialog .secret").textContent`, &text))
		if !regexp.MustCompile(`^\S{32}$`).MatchString(text) {
			t.Fatalf("the secret is %q", text)
		}
		return text
	}
	first := shown()
	p.choose("For", "A login by PAM")
	p.sees(":1812 " + first + " 20")
	p.click("button", "Close")
	p.sees("Have you stored it?")
	p.click("button", "I have stored it")
	p.gone("dialog", "New RADIUS client")
	p.missing(first)

	// One that has a secret already; the page has none to show then.
	p.click("button", "New RADIUS client")
	p.fill("Name", "lab")
	p.fill("Address", "127.0.0.1")
	p.click("radio", "It has one already")
	p.fill("Its secret", "short")
	p.pick("Application", "toke", "tokensmith")
	p.click("button", "Save")
	p.sees("Must have 16 to 128")
	p.fill("Its secret", radiusSecret)
	p.click("button", "Save")
	p.sees("The RADIUS client is saved")
	p.gone("dialog", "New RADIUS client")

	at, err := net.ResolveUDPAddr("udp", service.radiusAt())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	exchange(t, conn, accessRequest(t, "ada", "000000"), at)
	p.until(func() bool {
		got := c.result(t, service.url, "radiusClient/get", map[string]any{"match": [][]any{{"name", "=", "lab"}}, "return": []string{"refused"}})
		return got["refused"] == 1.0
	}, func() string { return "the refusal is not counted" })
	p.address("radius-clients")
	p.settled()
	p.looks("radius-clients")
	p.click("link", "lab")
	p.sees(`local\ada`)
	p.sees("from 127.0.0.1")
	p.sees("The last that was not accepted")
	p.sees("THE-SECRET")
	p.missing(radiusSecret)
	p.looks("radius-client")
	p.click("button", "Rotate secret")
	p.choose("The old one is taken", "For an hour")
	p.click("button", "Rotate")
	p.find("dialog", "New secret of lab", 1)
	second := shown()
	p.choose("For", "FreeRADIUS in front")
	p.sees("secret = " + second)
	p.click("button", "Done")
	p.gone("dialog", "New secret of lab")
	p.missing(second)
	p.sees("The old secret is taken until")
	p.click("button", "More for lab")
	p.click("menuitem", "Disable")
	p.sees("Disabled: it gets no answer.")
	p.sees("disabled this RADIUS client")
}
