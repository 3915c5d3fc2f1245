package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestConsoleStock: repositories are made and say how many tokens they have, a domain's users get soft tokens and its limits of emergency
// codes, and tokens leave with their seeds in an encrypted file.
func TestConsoleStock(t *testing.T) {
	t.Parallel()
	service, c, p := administrator(t)
	for _, login := range []string{"ann", "bob"} {
		c.result(t, service.url, "user/create", attrsOf("domain.name", "local", "loginName", login))
	}
	p.opens("Products")
	p.click("link", "Repositories")
	p.at("repositories")
	p.click("button", "New repository")
	p.fill("Name", "north")
	p.pick("Within (optional)", "def", "default")
	p.click("button", "Save")
	p.sees("The repository is saved")

	p.opens("Domains")
	p.click("button", "Actions for local")
	p.click("menuitem", "Edit")
	p.pick("New tokens of its users are put into (optional)", "nor", "north")
	p.fill("Digits", "5")
	p.click("button", "Save")
	p.sees("It is 6 at least.")
	p.fill("Digits", "10")
	p.fill("Open codes at most", "3")
	p.looks("domain-edit")
	p.click("button", "Save")
	p.gone("dialog", "…")
	got := c.result(t, service.url, "domain/get", map[string]any{"domain": map[string]string{"name": "local"}, "return": []string{"repository.name", "emergencyCodeLength", "emergencyCodesMost", "emergencyCodeHours"}})
	if want := "map[emergencyCodeHours:24 emergencyCodeLength:10 emergencyCodesMost:3 repository.name:north]"; fmt.Sprint(got) != want {
		t.Error(got)
	}
	p.click("button", "Actions for local")
	p.click("menuitem", "Deploy soft tokens")
	p.pick("Product", "SafeID event", "SafeID event-based")
	p.click("button", "Deploy")
	p.sees("only such can be deployed")
	p.pick("Product", "Mobil", "MobileID")
	p.click("button", "Deploy")
	p.sees("The tokens are deployed")
	p.gone("dialog", "…")
	p.looks("domains")

	p.opens("Products")
	p.looks("products")
	p.click("link", "Repositories")
	p.find("heading", "Repositories", 1)
	p.settled()
	p.looks("repositories")
	p.click("link", "3") // with the administrator's
	p.sees("of 3")
	p.click("checkbox", "Select all on this page")
	p.click("button", "Export with seeds")
	p.click("button", "Export")
	p.sees("Please fill this in")
	p.fill("Password of the file", "correct horse")
	p.fill("Password of the file, again", "correct house")
	p.click("button", "Export")
	p.sees("The two are not the same")
	p.fill("Password of the file, again", "correct horse")
	dir := p.downloads()
	p.click("button", "Export")
	p.sees("3 tokens in the file")
	p.looks("tokens-exported")
	if file := p.saved(dir, "tokens.pskc.xml"); strings.Count(file, "</pskc:KeyPackage>") != 3 || !strings.Contains(file, "PBKDF2") {
		t.Errorf("%.600s", file)
	}
}
