package main

import (
	"regexp"
	"testing"
)

// TestConsoleEmergencyCodes: an administrator gives a user who has lost a token emergency codes, which are shown once and listed
// without their texts, sees how often they were used, and deletes them.
func TestConsoleEmergencyCodes(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	c.result(t, service.url, "user/create", attrsOf("loginName", "ada", "domain.name", "local"))
	p.opens("Users")
	p.click("button", "Actions for ada")
	p.click("menuitem", "Emergency codes")
	p.find("dialog", "Emergency codes of ada", 1)
	p.sees("There are none.")
	p.click("button", "Make codes")
	p.fill("How many", "0")
	p.click("button", "Make")
	p.sees("It is 1 at least.")
	p.fill("How many", "2")
	p.fill("Logins", "3")
	p.click("button", "Make")
	p.find("dialog", "New emergency codes", 1)
	p.find("button", "Copy emergency code 2", 1)
	p.looks("emergency-made")
	codes := regexp.MustCompile(`\b[0-9]{8}\b`).FindAllString(p.text(), -1)
	if len(codes) != 2 {
		t.Fatalf("%q are shown", codes)
	}
	// What is shown once is not left by accident.
	p.click("button", "Close")
	p.sees("Have you stored it?")
	p.click("button", "I have stored it")
	p.gone("dialog", "New emergency codes")
	for _, code := range codes {
		p.missing(code)
	}
	c.result(t, service.url, "auth/verify", map[string]any{"user": map[string]string{"loginName": "ada"}, "credential": map[string]string{"otp": codes[0]}})
	p.click("button", "Close")
	p.click("button", "Actions for ada")
	p.click("menuitem", "Emergency codes")
	p.sees("1 of 3")
	p.sees("0 of 3")
	p.looks("emergency-codes")
	p.click("button", "Send code 1")
	p.click("button", "Send")
	p.sees("SMTP is not set up on this server")
	p.click("button", "Cancel")
	for range 2 {
		p.click("button", "Delete code 1")
		p.find("dialog", "Delete emergency code", 1)
		p.click("button", "Delete")
		p.gone("dialog", "Delete emergency code")
	}
	p.sees("There are none.")
	login := map[string]any{"user": map[string]string{"loginName": "ada"}, "credential": map[string]string{"otp": codes[0]}}
	if code, err := c.post(service.url, "auth/verify", login); code != 201 || err != nil {
		t.Errorf("a deleted code is answered %d, %v", code, err)
	}
	shown := c.result(t, service.url, "audit/search", map[string]any{"match": []any{[]string{"method", "=", "tempPass/create"}, []string{"object", "~=", "shown"}}, "max": 0})["total"]
	if shown != 2.0 {
		t.Errorf("%v rows of the record say that a code was shown", shown)
	}
}
