package rpc_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tokensmith/rpc"
	"tokensmith/rpc/apidoc"
)

// The tables of methods, codes and attributes in the documents are generated from the declarations. -update writes them.
func TestReadmeTables(t *testing.T) {
	t.Parallel()
	for _, place := range []struct{ file, name, table string }{
		{"README.md", "errors", apidoc.ErrorTable()},
		{"METHODS.md", "methods", rpc.MethodTable()},
		{"METHODS.md", "attributes", rpc.AttributeTables()},
	} {
		text, err := os.ReadFile(place.file)
		if err != nil {
			t.Fatal(err)
		}
		begin, end := "<!-- "+place.name+" -->\n", "<!-- end of "+place.name+" -->"
		head, rest, ok := strings.Cut(string(text), begin)
		_, tail, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Fatalf("%s lacks the place for its table of %s", place.file, place.name)
		}
		want := head + begin + place.table + end + tail
		if *update {
			if err := os.WriteFile(place.file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if diff := cmp.Diff(want, string(text)); diff != "" {
			t.Errorf("%s differs from the declarations; go test ./rpc -run Readme -update (-want +got):\n%s", place.file, diff)
		}
	}
}

// documented are the methods of the mirrored API whose requests its documentation prints, or only names, but for those that every
// object has.
const documented = `domain/deployTokens user/resetPassword user/unlock token/batchAssignTokens token/confine token/release token/reset token/syncToken
	token/getDownloadUrl token/retrieveCredential token/downloadOfflineData tokenAssignment/activate tokenAssignment/sendActivationCode tokenAssignment/sendDownloadUrl
	tokenAssignment/getTokenQRCode tokenAssignment/sort tempPass/create tempPass/get tempPass/set tempPass/delete tempPass/search tempPass/send
	application/selfTest logonStep/create logonStep/get logonStep/set logonStep/delete logonStep/search agent/listTypes agent/listApplications
	agent/addApplication agent/removeApplication identitySource/create attribute/create attribute/get attribute/set attribute/delete attribute/search
	auth/verify auth/logon auth/logout auth/resetLogon auth/sendOTP auth/syncToken auth/listTokens auth/listTokenAssignments auth/listDomains auth/listApplications
	auth/listAuthenticators auth/getLogonSteps auth/activateTokenAssignment auth/getChallengeCode auth/verifyResponse auth/downloadToken register/queryAgent`

// TestDocumentedMethods: every method of the mirrored API is in the table of methods, or the README says that it is not served.
func TestDocumentedMethods(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, ok := strings.Cut(string(text), "\n## What of the mirrored API is served\n")
	part, _, closed := strings.Cut(part, "\n## ")
	if !ok || !closed {
		t.Fatal("README.md does not say what of the mirrored API is served")
	}
	served := map[string]bool{}
	for _, m := range rpc.Methods() {
		served[m.Path] = true
	}
	for _, path := range strings.Fields(documented) {
		object, _, _ := strings.Cut(path, "/")
		if !served[path] && !strings.Contains(part, "`"+path+"`") && !strings.Contains(part, "`"+object+"/*`") {
			t.Errorf("%s is not served, and README.md does not say so", path)
		}
	}
}
