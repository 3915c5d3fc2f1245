package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"tokensmith/model"
	"tokensmith/model/modeltest"
	"tokensmith/model/otp"
	"tokensmith/store/storetest"
)

// administrator starts a server and opens its console in a browser, signed in as the first administrator.
func administrator(t *testing.T, args ...string) (*process, *agentCaller, *person) {
	t.Helper()
	dir := t.TempDir()
	p := &process{t: t, args: append([]string{"--db", filepath.Join(dir, "db"), "--check-in", "1m"}, args...), out: filepath.Join(dir, "out")}
	p.start()
	t.Cleanup(p.kill)
	c := &agentCaller{}
	c.id, c.secret = p.first()
	who := visit(t, p.url)
	who.signIn("admin", p.password())
	return p, c, who
}

// password returns the first administrator's password, which the process printed.
func (p *process) password() string {
	text, err := os.ReadFile(p.out)
	if err != nil {
		p.t.Fatal(err)
	}
	m := regexp.MustCompile(`login name admin, password (\S+)`).FindSubmatch(text)
	if m == nil {
		p.t.Fatalf("no password in %q", text)
	}
	return string(m[1])
}

func (p *person) signIn(login, password string) {
	p.t.Helper()
	p.fill("Login name", login)
	p.fill("Password", password)
	p.click("button", "Sign in")
	p.find("button", "Sign out", 1)
	p.settled()
}

// TestConsoleClientTokens follows the document "Generating Client Tokens" step by step.
func TestConsoleClientTokens(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	c.result(t, service.url, "license/create", attrsOf("name", "Standard", "seats", 30))

	// Generating a single token.
	p.opens("Devices")
	p.sees("No devices yet")
	p.looks("devices-empty")
	p.click("button", "New Device")
	p.find("dialog", "New Device", 1)
	p.click("button", "Save")
	p.sees("Give the device a name")
	p.fill("Device Name", "Lobby screen")
	p.click("button", "Save")
	p.sees("Select a license, or save the device without one")
	p.click("radio", "Standard 30 of 30 seats free")
	p.looks("device-new")
	p.click("button", "Save")
	p.find("dialog", "Client token of Lobby screen", 1)
	p.sees("Store this token securely")
	token := regexp.MustCompile(model.ClientTokenPattern).FindString(p.text())
	p.looks("device-token")
	p.click("button", "Done")
	p.focus("New Device")
	if code, err := c.post(service.url, "device/connect", map[string]string{"token": token}); code != 0 || err != nil {
		t.Error(code, err)
	}
	p.click("button", "New Device")
	p.fill("Device Name", "Kitchen screen")
	p.click("button", "Save Device Without a License")
	p.find("dialog", "Client token of Kitchen screen", 1)
	p.click("button", "Done")
	p.sees("Kitchen screen")

	// The Generate Token button, in the menu accessed through the ellipsis under the Actions title.
	p.click("button", "Actions for Lobby screen")
	p.looks("device-menu")
	p.click("menuitem", "Generate Token")
	p.sees("logged out")
	p.looks("device-generate")
	p.click("radio", "Use your existing token to add the selected device")
	p.click("button", "Generate Token")
	p.find("dialog", "Client token of Lobby screen", 1)
	if got := regexp.MustCompile(model.ClientTokenPattern).FindString(p.text()); got != token {
		t.Error("another token is shown than the existing one")
	}
	p.click("button", "Done")
	p.click("button", "Actions for Lobby screen")
	p.click("menuitem", "Generate Token")
	p.click("radio", "Create a new token and delete the existing one")
	p.click("button", "Generate Token")
	p.find("dialog", "Client token of Lobby screen", 1)
	fresh := regexp.MustCompile(model.ClientTokenPattern).FindString(p.text())
	p.click("button", "Done")
	for tok, want := range map[string]int{token: 512, fresh: 0} {
		if code, err := c.post(service.url, "device/connect", map[string]string{"token": tok}); code != want || err != nil {
			t.Errorf("%d, not %d: %v", code, want, err)
		}
	}

	// Generating multiple tokens.
	dir := p.downloads()
	p.click("button", "New Device")
	p.click("button", "Add Multiple Devices")
	p.find("dialog", "Add Multiple Devices", 1)
	p.fill("Label of the Devices", "Hall")
	p.fill("Quantity of the Devices", "25")
	p.click("checkbox", "Get the list of the tokens as a CSV file")
	p.click("checkbox", "Standard 29 of 30 seats free")
	p.looks("devices-many")
	p.click("button", "Create Devices")
	p.find("dialog", "25 devices created", 1)
	csv := p.saved(dir, "Hall-tokens.csv")
	if n := len(regexp.MustCompile(model.ClientTokenPattern).FindAllString(csv, -1)); n != 25 {
		t.Errorf("%d tokens in the file", n)
	}
	p.looks("devices-created")
	p.click("button", "Done")
	p.click("button", "Hall")
	p.settled()
	p.sees("Hall-001")
	p.missing("Lobby screen")
	p.sees("1–25 of 25")
	p.looks("devices")
	// Without the list, and without licenses.
	p.click("button", "New Device")
	p.click("button", "Add Multiple Devices")
	p.fill("Label of the Devices", "Bare")
	p.fill("Quantity of the Devices", "2")
	p.click("button", "Save Device Without a License")
	p.find("dialog", "2 devices created", 1)
	p.click("button", "Done")
	p.click("button", "All devices")
	p.sees("Bare-002")

	// Search, sort, pages, groups, edit, delete.
	p.fill("Search devices", "kitch")
	p.sees("1–1 of 1")
	p.fill("Search devices", "nothing called this")
	p.sees("Nothing fits")
	p.fill("Search devices", "")
	p.sees("1–25 of 29")
	p.click("button", "Next")
	p.sees("26–29 of 29")
	p.click("button", "Previous")
	p.click("button", "New group")
	p.fill("Name", "Ground floor")
	p.click("button", "Save")
	p.sees("The group is saved")
	p.click("button", "Actions for Bare-001")
	p.click("menuitem", "Move to groups")
	p.pick("Groups", "ground", "Ground floor")
	p.looks("device-groups")
	p.click("button", "Save")
	p.sees("The device is moved")
	p.click("button", "Ground floor")
	p.sees("1–1 of 1")
	p.click("button", "All devices")
	p.click("button", "Actions for Bare-001")
	p.click("menuitem", "Edit")
	p.fill("Device Name", "Hall-001")
	p.click("button", "Save")
	p.sees("name must be unique")
	p.fill("Device Name", "Renamed")
	p.click("button", "Save")
	p.sees("The device is saved")
	p.fill("Search devices", "renamed")
	p.click("button", "Actions for Renamed")
	p.click("menuitem", "Delete")
	p.click("button", "Delete")
	p.sees("This is not the name")
	p.fill("Type “Renamed” to confirm", "Renamed")
	p.click("button", "Delete")
	p.sees("Nothing fits")
}

// attrsOf returns attributes with values of any type.
func attrsOf(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return map[string]any{"attrs": m}
}

// TestConsoleInstallationCodes follows the document "Installation codes" step by step.
func TestConsoleInstallationCodes(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	c.result(t, service.url, "user/create", attrsOf("domain.name", "local", "loginName", "front-desk", "email", "desk@mail.example"))
	c.result(t, service.url, "device/create", attrsOf("name", "Laptop"))
	c.result(t, service.url, "deviceGroup/create", attrsOf("name", "Lobby"))

	p.opens("Installation codes")
	p.sees("No installation codes yet")
	// "To create a new installation code, click Add in the toolbar", or Cancel.
	p.click("button", "Add")
	p.find("dialog", "New installation code", 1)
	p.click("button", "Cancel")
	p.focus("Add")
	p.click("button", "Add")
	p.fill("Description", "Spring guests")
	p.click("button", "Save")
	p.sees("Please fill this in")
	p.fill("Username prefix", "guest")
	p.fill("Domain", "local")
	p.click("radio", "Only so many times")
	p.fill("Times it can be used", "5")
	p.pick("Groups of the devices (optional)", "Lob", "Lobby")
	p.sees("Whoever uses it gets a new account, guest1 and so on in the domain local, and a new device, in the group Lobby. It can be used 5 times, and does not expire.")
	p.looks("code-new")
	p.click("button", "Save")
	p.sees("The installation code is saved")
	p.sees("0 of 5")

	p.click("button", "Add")
	p.fill("Description", "Desk")
	p.click("button", "Generate new code")
	p.click("radio", "Create a new device")
	p.fill("Account", "front-desk")
	p.click("button", "Save")
	p.sees("front-desk")

	p.click("button", "Add")
	p.fill("Description", "One laptop")
	p.fill("Installation Code", "Lap") // no code yet
	p.fill("Installation Code", "Laptop-2027")
	p.find("image", "QR code of Laptop-2027", 1)
	p.looks("code-drawn")
	p.click("radio", "Use existing device")
	p.fill("Device", "Laptop")
	p.click("button", "Save")
	p.sees("One laptop")
	p.missing("Laptop-2027")

	// The code opens a pop-up with the QR code.
	p.click("button", "Show the installation code One laptop")
	p.find("dialog", "One laptop", 1)
	p.find("image", "QR code of the installation code", 1)
	p.sees("Does not expire")
	p.sees("Laptop-2027")
	p.looks("code-qr")
	p.click("button", "Close")
	p.focus("Show the installation code One laptop")

	code, _ := c.post(service.url, "installationCode/redeem", map[string]any{"code": "laptop2027", "nonce": "a nonce of the test", "device": map[string]string{}})
	if code != 0 {
		t.Error(code)
	}

	// Select, edit, delete.
	p.opens("Tokens")
	p.opens("Installation codes")
	p.click("checkbox", "Select Spring guests")
	p.click("button", "Edit")
	p.find("dialog", "Edit installation code", 1)
	p.fill("Installation Code", "abc")
	p.click("button", "Save")
	p.sees("Must be 6 to 64 of")
	p.fill("Installation Code", "Summer-Guests")
	p.click("radio", "Create a new device")
	p.fill("Account", "nobody at all")
	p.click("button", "Save")
	p.sees("Nothing is called this")
	p.fill("Account", "front-desk")
	p.click("button", "Save")
	p.sees("The installation code is saved")
	p.click("button", "Show the installation code Spring guests")
	p.sees("Summer-Guests")
	p.click("button", "Close")
	p.looks("codes")
	p.click("checkbox", "Select One laptop")
	p.click("button", "Delete")
	p.find("dialog", "Remove installation code", 1)
	p.looks("code-remove")
	p.click("button", "Cancel")
	p.sees("One laptop")
	p.click("button", "Delete")
	p.click("button", "Remove")
	p.sees("The code is removed")
	p.sees("1–2 of 2")
	p.missing("Laptop-2027")
	p.choose("Action", "Create a new device")
	p.sees("1–2 of 2")
}

// TestConsoleTokens: import, batch assignment, and actions on a token.
func TestConsoleTokens(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	for _, login := range []string{"ada", "grace"} {
		c.result(t, service.url, "user/create", attrsOf("domain.name", "local", "loginName", login))
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	var seeds, broken strings.Builder
	seeds.WriteString("serial,seed,type\n")
	for i := range 40 {
		fmt.Fprintf(&seeds, "10%06d,%x,hotp\n", i, []byte(fmt.Sprintf("%020d", i)))
	}
	broken.WriteString(seeds.String() + "20000000,not hex,hotp\n20000001,3132,hotp\n")
	p.opens("Tokens")
	p.sees("No tokens yet")
	p.click("button", "Import")
	p.click("button", "Import")
	p.sees("Choose a file")
	p.attach(write("broken.csv", broken.String()))
	p.click("button", "Import")
	p.sees("2 refused rows")
	p.looks("tokens-refused")
	p.attach(write("seeds.csv", seeds.String()))
	p.click("button", "Import")
	p.sees("40 tokens imported")
	p.looks("tokens-imported")
	p.click("button", "Done")
	p.sees("1–25 of 40")

	// The server decodes the bytes of a file. A file that is not UTF-8 is refused until its charset is named. UTF-16 is detected.
	p.click("button", "Import")
	p.attach(write("ansi.csv", "serial,seed,type,description\n30000000,3132333435363738393031323334353637383930,hotp,B\xfcro\n"))
	p.click("button", "Import")
	p.sees("is not UTF-8")
	p.choose("Characters of the file", "Windows-1252 (Western Europe)")
	p.choose("Seeds are written in", "BASE32")
	p.click("button", "Import")
	p.sees("the seed is not valid BASE32")
	p.choose("Seeds are written in", "HEX")
	p.click("button", "Import")
	p.sees("1 token imported")
	p.click("button", "Done")
	c.result(t, service.url, "token/delete", map[string]any{"match": [][]string{{"serial", "=", "30000000"}, {"description", "=", "Büro"}}})

	p.click("button", "Batch assign")
	p.attach(write("batch.csv", "domain,loginName,manufacturerCode,productCode,serial,pin\nlocal,ada,DN,SE,10000000,1234\nlocal,nobody,DN,SE,10000001,\n"))
	p.click("button", "Assign")
	p.sees("1 refused row")
	p.sees("user not found")
	p.attach(write("batch.csv", "domain,loginName,manufacturerCode,productCode,serial,pin,room\nlocal,ada,DN,SE,10000000,1234,1\nlocal,grace,DN,SE,10000001,,2\n"))
	p.click("button", "Assign")
	p.sees("unknown column room")
	p.fill("Columns to pass over (optional)", "Room")
	p.click("button", "Assign")
	p.sees("All rows of the file are assigned")
	p.click("button", "Done")
	p.sees("grace")

	p.fill("Search tokens", "10000002")
	p.sees("1–1 of 1")
	p.click("button", "Actions for 10000002")
	p.click("menuitem", "Assign")
	p.fill("User", `local\ada`)
	p.click("button", "Assign")
	p.sees("The token is assigned")
	params := otp.Params{Algorithm: otp.HOTP, Digits: 6, Hash: otp.HmacSHA1}
	seed := []byte(fmt.Sprintf("%020d", 2))
	p.click("button", "Actions for 10000002")
	p.click("menuitem", "Synchronise")
	p.fill("First one-time password", "000000")
	p.fill("Second one-time password", "000000")
	p.click("button", "Synchronise")
	p.sees("not synchronised")
	p.fill("First one-time password", otp.Generate(seed, 50, params))
	p.fill("Second one-time password", otp.Generate(seed, 51, params))
	p.looks("token-sync")
	p.click("button", "Synchronise")
	p.sees("The token is synchronised")
	if got := c.result(t, service.url, "token/get", map[string]any{"token": map[string]string{"serial": "10000002"}})["counter"]; got != 52.0 {
		t.Error(got)
	}
	p.click("button", "Actions for 10000002")
	p.click("menuitem", "Disable")
	p.sees("The token is disabled")
	p.click("button", "Actions for 10000002")
	p.click("menuitem", "Enable")
	p.sees("The token is enabled")
	p.click("button", "Actions for 10000002")
	p.click("menuitem", "Reset")
	p.click("button", "Reset")
	p.sees("The token is reset")
	p.click("button", "Actions for 10000002")
	p.click("menuitem", "Unassign")
	p.click("button", "Unassign")
	p.sees("The token is unassigned")
	p.fill("Search tokens", "")
	p.pick("User", "grace", `local\grace`)
	p.sees("1–1 of 1")
	p.fill("User", "")
	p.pick("Product", "DN/SE", "SafeID event-based")
	p.sees("of 40")
	p.pick("Product", "google", "Google Authenticator")
	p.sees("Nothing fits")

	// A soft token, its link and the link's QR code.
	p.click("button", "New token")
	p.fill("Product", "Google Authenticator")
	p.fill("Serial (optional)", "soft-1")
	p.click("button", "Create")
	p.sees("soft-1")
	p.looks("tokens")
	p.click("button", "Actions for soft-1")
	p.click("menuitem", "Download link")
	p.find("image", "QR code of the download link", 1)
	p.sees(service.url + "/p/")
	p.looks("token-link")
	p.click("button", "Done")
	p.click("button", "Actions for soft-1")
	p.click("menuitem", "Confine")
	p.sees("cannot be downloaded any more")
	p.click("button", "Actions for soft-1")
	p.click("menuitem", "Release")
	p.sees("can be downloaded again")
}

// TestConsoleObjects: users, products, licenses, agents and the audit log.
func TestConsoleObjects(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	p.opens("Users")
	p.sees("admin")
	p.click("button", "New user")
	p.fill("Login name", "ada")
	p.click("button", "Save")
	p.sees("Choose a domain")
	p.fill("Domain", "local")
	p.fill("First name (optional)", "Ada")
	p.permissions("not a permission")
	p.click("button", "Save")
	p.sees("must be object/method, object/*, role:name or *")
	p.permissions("device/get, device/search")
	p.looks("user-new")
	p.click("button", "Save")
	p.sees("The user is saved")
	p.sees("Administrator")
	p.click("button", "Actions for ada")
	p.click("menuitem", "Reset password")
	p.click("button", "Reset password")
	p.sees("It is shown this once")
	p.looks("user-password")
	p.click("button", "Done")
	file := filepath.Join(t.TempDir(), "users.csv")
	if err := os.WriteFile(file, []byte("domain,loginName,email\nlocal,grace,grace@mail.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.click("button", "Import")
	p.attach(file)
	p.click("button", "Import")
	p.sees("1 user made, 0 updated")
	p.click("button", "Done")
	p.sees("grace@mail.example")
	p.looks("users")

	p.opens("Products")
	p.click("button", "New product")
	p.fill("Name", "Desk tokens")
	p.fill("Manufacturer code", "DT")
	p.fill("Product code", "ONE")
	p.looks("product-new")
	p.click("button", "Save")
	p.sees("DT/ONE")
	p.looks("products")
	p.click("button", "Actions for Desk tokens")
	p.click("menuitem", "Delete")
	p.fill("Type “Desk tokens” to confirm", "Desk tokens")
	p.click("button", "Delete")
	p.sees("The product is deleted")

	p.opens("Domains")
	p.click("button", "New domain")
	p.fill("Name", "texts")
	p.choose("One-time passcodes go by", "SMS, else e-mail")
	p.looks("domain-new")
	p.click("button", "Save")
	p.sees("The domain is saved")
	p.sees("SMS, else e-mail")
	p.click("button", "Actions for texts")
	p.click("menuitem", "Edit")
	p.choose("One-time passcodes go by", "None are sent")
	p.click("button", "Save")
	p.sees("None are sent")

	p.opens("Licenses")
	p.sees("No licenses yet")
	p.click("button", "New license")
	p.fill("Name", "Standard")
	p.click("button", "Save")
	p.sees("Please fill this in")
	p.fill("Seats", "10")
	p.click("button", "Save")
	p.sees("0 of 10")
	p.looks("licenses")

	p.opens("Agents")
	p.click("button", "New agent")
	p.fill("Name", "batch")
	p.permissions("token/*")
	p.looks("agent-new")
	p.click("button", "Save")
	p.sees("It is shown this once. Store it where the program finds it.")
	p.click("button", "Done")
	p.click("button", "Actions for batch")
	p.click("menuitem", "Rotate secret")
	p.click("button", "Rotate")
	p.sees("It is shown this once")
	p.click("button", "Done")
	p.looks("agents")

	p.opens("Audit")
	p.sees("Rotated an agent's secret")
	p.settled()
	p.sees("User local\\ada")
	// People read names, and neither methods nor ids.
	if word := regexp.MustCompile(`[0-9a-f]{16,}|\b[a-z][A-Za-z]+/[a-z]+\b|\b[a-z]+[A-Z][a-z]+|Error \d`).FindString(p.text()); word != "" {
		t.Errorf("the record says %q", word)
	}
	p.fill("Search by method", "license/")
	p.sees("1–1 of 1")
	p.sees("Made a license")
	p.sees("License Standard")
	p.click("button", "Check the chain")
	p.sees("The record is whole")
	p.looks("audit-checked")
	p.click("button", "Close")
	p.looks("audit")

	p.click("button", "What guessing may reach")
	p.sees("10⁻³")
	p.sees("DN/ST")
	p.looks("guessing")
	p.click("button", "Close")
	p.missing("stand out")
	for i := range 100 {
		if code, err := c.post(service.url, "auth/verify", map[string]any{"user": map[string]any{"loginName": fmt.Sprint("nobody", i)}, "credential": "000000"}); code != 201 {
			t.Fatalf("a try gives %d, %v", code, err)
		}
	}
	modeltest.Until(t, "the warning", func() bool {
		p.opens("Products")
		p.settled()
		p.opens("Audit")
		p.settled()
		return strings.Contains(p.text(), "Refused credentials stand out")
	})
	p.looks("guessing-warned")
}

// TestConsoleSessions: how sessions begin and end, and what they allow.
func TestConsoleSessions(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	p.find("link", "Methods", 1)
	p.click("button", "Sign out")
	p.sees("You have signed out")
	p.find("link", "Methods", 1)
	p.find("link", "OpenAPI", 1)
	p.looks("sign-in")
	// An administrator with an active token needs its OTP. A used OTP is refused.
	c.result(t, service.url, "user/create", attrsOf("domain.name", "local", "loginName", "ada", "password", "correct horse", "permissions", "device/*,deviceGroup/*,license/search"))
	seed := []byte("12345678901234567890")
	c.result(t, service.url, "token/create", attrsOf("product.productCode", "SE", "seed", fmt.Sprintf("%x", seed), "user.loginName", "ada"))
	params := otp.Params{Algorithm: otp.HOTP, Digits: 6, Hash: otp.HmacSHA1}
	try := func(password, code string) {
		p.fill("Login name", "ada")
		p.fill("Password", password)
		p.fill("One-time password (optional)", code)
		p.click("button", "Sign in")
	}
	try("correct horse", "")
	p.sees("do not fit")
	try("wrong horse", otp.Generate(seed, 0, params))
	p.sees("do not fit")
	try("correct horse", otp.Generate(seed, 0, params)) // the wrong password has not used it up
	p.find("button", "Sign out", 1)
	// The administrator sees only what the permissions allow.
	for _, page := range []string{"Devices", "Licenses"} {
		p.opens(page)
	}
	p.missing("New license")
	p.missing("Tokens")
	p.missing("Agents")
	p.opens("Devices")
	p.click("button", "New Device")
	p.missing("Owner")
	p.fill("Device Name", "one")
	p.click("button", "Save Device Without a License")
	p.click("button", "Done")
	p.click("button", "Actions for one")
	p.missing("Generate Token") // device/* reveals nothing
	p.keys(kb.Escape)
	p.looks("devices-few-permissions")
	// A changed password ends the session at the next call.
	c.result(t, service.url, "user/set", map[string]any{"user": map[string]string{"loginName": "ada"}, "attrs": map[string]string{"password": "another horse"}})
	p.click("link", "Licenses")
	p.sees("Your session has ended")
	p.looks("sign-in-again")
	p.click("button", "Sign in as somebody else")
	p.find("heading", "Sign in", 1)
	// An address has five failed sign-ins. After that, a person who did not sign in from there lately is refused without a check,
	// whatever the password is, with the reply for a wrong one. So nobody learns who did sign in from there.
	for range 9 {
		try("wrong horse", "")
		p.find("alert", "…", 1)
		p.sees("do not fit")
	}
	c.result(t, service.url, "user/create", attrsOf("domain.name", "local", "loginName", "grace", "password", "first horse", "mustChangePassword", true, "permissions", "audit/search"))
	p.fill("Login name", "grace")
	p.fill("Password", "first horse")
	p.click("button", "Sign in")
	p.sees("do not fit")
	p.fill("Login name", "admin")
	p.fill("Password", service.password())
	p.click("button", "Sign in")
	p.click("button", "Sign out")
	p.sees("You have signed out")
	// A password that must be changed is changed at the sign-in.
	time.Sleep(11 * time.Second)
	p.fill("Login name", `LOCAL\grace`)
	p.fill("Password", "first horse")
	p.click("button", "Sign in")
	p.fill("New password", "second horse")
	p.fill("New password, again", "second house")
	p.click("button", "Sign in")
	p.sees("The two are not the same")
	p.fill("New password, again", "second horse")
	p.looks("sign-in-new-password")
	p.click("button", "Sign in")
	p.find("button", "Sign out", 1)
	p.sees("Made a user")
}

// TestConsoleIsGuarded: what the console's part of the server refuses, and what it sends.
func TestConsoleIsGuarded(t *testing.T) {
	t.Parallel()
	service, _, _ := administrator(t)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	post := func(path, body string, header ...string) (int, string, http.Header) {
		r, err := http.NewRequest(http.MethodPost, service.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text), resp.Header
	}
	signIn := fmt.Sprintf(`{"loginName":"admin","password":%q}`, service.password())
	if status, text, _ := post("/console/signIn", signIn, "Origin", "https://elsewhere.example", "Sec-Fetch-Site", "cross-site"); status != 403 {
		t.Error(status, text)
	}
	if status, text, _ := post("/console/api/device/search", "{}"); status != 401 {
		t.Error(status, text)
	}
	_, _, header := post("/console/signIn", signIn)
	cookie := header.Get("Set-Cookie")
	if !regexp.MustCompile(`^tokensmith=[\w-]{43}; Path=/console/; HttpOnly; SameSite=Strict$`).MatchString(cookie) {
		t.Error(cookie)
	}
	if status, text, _ := post("/console/api/device/search", "{}"); status != 200 {
		t.Error(status, text)
	}
	for _, origin := range []string{"https://elsewhere.example", "null"} {
		if status, text, _ := post("/console/api/device/search", "{}", "Origin", origin, "Sec-Fetch-Site", "cross-site"); status != 403 {
			t.Error(origin, status, text)
		}
	}
	// The cookie is accepted only by the console's part of the server, to which methods for devices and others do not belong.
	if status, text, _ := post("/das5/rest/device/search", "{}"); status != 401 {
		t.Error(status, text)
	}
	if status, text, _ := post("/console/api/installationCode/redeem", "{}"); status != 404 {
		t.Error(status, text)
	}
	// The stored hash of a session does not open the session.
	value, _, _ := strings.Cut(strings.TrimPrefix(cookie, "tokensmith="), ";")
	for _, row := range storetest.Rows(t, service.args[1]) {
		if strings.Contains(row, value) {
			t.Error("the session's key is in the database: ", row)
		}
	}
	if _, _, header := post("/console/signOut", "{}"); !strings.Contains(header.Get("Set-Cookie"), "Max-Age=0") {
		t.Error(header)
	}
	if status, text, _ := post("/console/api/device/search", "{}", "Cookie", "tokensmith="+value); status != 401 {
		t.Errorf("after signing out: %d %s", status, text)
	}
	for path, want := range map[string]string{"/console": "302", "/console/nowhere": "404", "/console/x/app.js": "404"} {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		resp, err := client.Get(service.url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if fmt.Sprint(resp.StatusCode) != want {
			t.Error(path, resp.Status)
		}
	}
	// The first paint: the size of everything that is needed, with gzip.
	resp, err := client.Get(service.url + "/console/")
	if err != nil {
		t.Fatal(err)
	}
	index, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if policy := resp.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self';") || strings.Contains(policy, "unsafe-") {
		t.Error(policy)
	}
	if regexp.MustCompile(`<style|\sstyle=|<script>|\son[a-z]+=`).Match(index) {
		t.Errorf("%s", index)
	}
	folder := regexp.MustCompile(`([0-9a-f]{16})/app\.js`).FindSubmatch(index)
	if folder == nil {
		t.Fatalf("%s", index)
	}
	total := len(index)
	for _, name := range []string{"app.js", "app.css", "icon.svg", "dom.js", "api.js", "words.js", "notice.js", "dialog.js", "field.js", "picker.js",
		"editor.js", "menu.js", "file.js", "secret.js", "signin.js", "route.js", "list.js", "bulk.js", "tree.js", "objectlist.js", "one.js", "timeline.js", "devices.js", "codes.js",
		"tokens.js", "token.js", "users.js", "people.js", "domains.js", "products.js", "licenses.js", "agents.js", "radius.js", "repositories.js", "applications.js", "audit.js", "guessing.js", "permissions.js", "account.js", "theme.js", "overview.js", "chart.js", "dates.js", "palette.js",
		"deliveries.js", "emergency.js"} {
		r, _ := http.NewRequest(http.MethodGet, fmt.Sprintf("%s/console/%s/%s", service.url, folder[1], name), nil)
		r.Header.Set("Accept-Encoding", "gzip")
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || resp.Header.Get("Content-Encoding") != "gzip" || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
			t.Error(name, resp.Status, resp.Header)
		}
		total += len(text)
	}
	t.Logf("%d bytes for the first paint", total)
	if total > 120_000 {
		t.Errorf("%d bytes for the first paint", total)
	}
}

// TestConsoleByKeyboard uses only the keyboard: it signs in, opens a page, creates a device, opens a menu and closes it with
// Escape. The focus returns.
func TestConsoleByKeyboard(t *testing.T) {
	t.Parallel()
	service, _, p := administrator(t)
	p.click("button", "Sign out")
	p.sees("You have signed out")
	p.do(input.InsertText("admin"))
	p.keys(kb.Tab)
	p.do(input.InsertText(service.password()))
	p.keys(kb.Enter)
	p.find("button", "Sign out", 1)
	p.settled()
	to := func(name string) {
		t.Helper()
		for range 60 {
			p.keys(kb.Tab)
			var now string
			var outlined bool
			p.do(chromedp.Evaluate(focusedName, &now),
				chromedp.Evaluate(`document.activeElement === document.body || getComputedStyle(document.activeElement).outlineStyle !== "none"`, &outlined))
			if !outlined {
				t.Errorf("the focus on %q cannot be seen", now)
			}
			if now == name {
				return
			}
		}
		t.Fatalf("the keyboard does not reach %q", name)
	}
	to("Devices")
	p.keys(kb.Enter)
	p.find("heading", "Devices", 1)
	p.settled()
	to("New Device")
	p.keys(kb.Enter)
	p.focus("Device Name")
	p.do(input.InsertText("by keyboard"))
	to("Save Device Without a License")
	p.keys(kb.Enter)
	p.find("dialog", "Client token of by keyboard", 1)
	p.focus("Copy client token")
	p.keys(kb.Escape)
	p.focus("Go back to it") // what is shown once stays
	p.keys(kb.Escape)
	p.focus("Copy client token")
	to("Done")
	p.keys(kb.Enter)
	p.focus("New Device")
	p.settled()
	to("Actions for by keyboard")
	p.keys(kb.Enter)
	p.focus("Generate Token")
	p.keys(kb.ArrowDown)
	p.focus("Edit")
	p.keys(kb.End)
	p.focus("Delete")
	p.keys(kb.Escape)
	p.focus("Actions for by keyboard")
	p.keys(kb.Enter, kb.ArrowDown, kb.Enter)
	p.find("dialog", "Edit device", 1)
	p.focus("Device Name")
	p.do(input.InsertText("renamed"))
	p.keys(kb.Enter)
	p.sees("The device is saved")
	p.sees("renamed")
}

// TestConsoleKeepsWhatIsThere: problems that a hurried, a limited, and a returning administrator must not have.
func TestConsoleKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	c.result(t, service.url, "license/create", attrsOf("name", "Standard", "seats", 9))
	c.result(t, service.url, "deviceGroup/create", attrsOf("name", "Lobby"))
	c.result(t, service.url, "device/create", attrsOf("name", "licensed", "license.name", "Standard", "groups", []string{"Lobby"}))
	c.result(t, service.url, "installationCode/create", attrsOf("description", "one", "code", "code-one", "action", "CREATE_ACCOUNT_AND_DEVICE",
		"usernamePrefix", "g", "domain.name", "local", "license.name", "Standard", "groups", []string{"Lobby"}))
	c.result(t, service.url, "user/create", attrsOf("domain.name", "local", "loginName", "few", "password", "correct horse",
		"permissions", "device/*,installationCode/*,user/create,device/generateToken"))

	// Two clicks cause one action.
	p.opens("Devices")
	p.click("button", "New Device")
	p.fill("Device Name", "once")
	p.do(chromedp.Evaluate(`(() => { const b = [...document.querySelectorAll("dialog button")].find((b) => b.textContent === "Save Device Without a License"); b.click(); b.click(); b.click(); })()`, nil))
	p.find("dialog", "Client token of once", 1)
	p.click("button", "Done")
	p.sees("1–2 of 2")
	// The focus stays in the row that was edited, and is not lost if a row is deleted.
	p.click("button", "Actions for once")
	p.click("menuitem", "Edit")
	p.fill("Description (optional)", "x")
	p.click("button", "Save")
	p.sees("The device is saved")
	p.settled()
	p.focus("Actions for once")

	// If the last row of the last page is deleted, the page before it is shown.
	c.result(t, service.url, "device/createMany", attrsOf("label", "m", "quantity", 24, "allowUnlicensed", true))
	p.opens("Licenses")
	p.opens("Devices")
	p.click("button", "Next")
	p.sees("26–26 of 26")
	p.click("button", "Actions for once")
	p.click("menuitem", "Delete")
	p.fill("Type “once” to confirm", "once")
	p.click("button", "Delete")
	p.sees("1–25 of 25")

	// A person who may see neither licenses nor groups edits another attribute.
	p.click("button", "Sign out")
	p.signIn(`local\few`, "correct horse")
	p.fill("Search devices", "licensed")
	p.click("button", "Actions for licensed")
	p.click("menuitem", "Edit")
	p.missing("No license")
	p.fill("Description (optional)", "changed")
	p.click("button", "Save")
	p.sees("The device is saved")
	p.opens("Installation codes")
	p.click("checkbox", "Select one")
	p.click("button", "Edit")
	p.fill("Description", "changed")
	p.click("button", "Save")
	p.sees("The installation code is saved")
	p.click("button", "Add")
	p.fill("Username prefix", "h")
	p.fill("Domain", "local") // the permissions do not allow to look it up
	p.click("button", "Save")
	p.sees("1–2 of 2")
	for method, params := range map[string]map[string]any{
		"device/get":           {"device": map[string]string{"name": "licensed"}, "return": []any{"description", "license.name", map[string]any{"groups": []string{"name"}}}},
		"installationCode/get": {"match": []any{[]string{"description", "=", "changed"}}, "return": []any{"description", "license.name", map[string]any{"groups": []string{"name"}}}},
	} {
		got := c.result(t, service.url, method, params)
		if want := "map[description:changed groups:[map[name:Lobby]] license.name:Standard]"; fmt.Sprint(got) != want {
			t.Errorf("%s: %v", method, got)
		}
	}
}
