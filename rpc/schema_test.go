package rpc_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"layeh.com/radius"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/rpc/object"
	"tokensmith/store"
	"tokensmith/store/storetest"
)

// A database of each released schema migrates, keeps its rows and works: its secrets can be read and its audit record verifies.
// testdata/schema contains SQLite dumps with rows in every table where possible. Their key is the SHA-256 of a phrase.
func TestReleasedSchemas(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../testdata/schema/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal("no schemas", err)
	}
	for _, file := range files {
		number, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(file), ".sql"))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprint(number), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			old := storetest.SQLite(t)
			storetest.Exec(t, old, string(text))
			rows := storetest.Rows(t, old)
			pg := storetest.Postgres(t)
			storetest.CopySchema(t, old, pg, "../store/migrations", number)
			for name, url := range map[string]string{"sqlite": old, "postgres": pg} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					migrates(t, url, number, rows)
				})
			}
		})
	}
}

func migrates(t *testing.T, url string, number int, rows []string) {
	s := &service{url: url, clock: &clock{}, log: &logBuffer{}, keyFile: filepath.Join(t.TempDir(), "key")}
	key := sha256.Sum256([]byte("tokensmith test: schema " + strconv.Itoa(number)))
	if err := os.WriteFile(s.keyFile, fmt.Appendf(nil, "tokensmith-key-1 %x\n", key), 0o600); err != nil {
		t.Fatal(err)
	}
	if have, newest, err := store.Schema(t.Context(), url); err != nil || have != number || newest <= number {
		t.Fatal(have, newest, err)
	}
	// Every row keeps its values, except for what version 11 changed and for the groups of devices, which version 12 renamed.
	// Columns may have been added.
	st, err := store.Open(t.Context(), url, s.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	after := storetest.Rows(t, url)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if strings.Contains(row, "name=schema\t") {
			continue
		}
		if number < 12 {
			row = strings.Replace(row, "group_members\t", "device_group_members\t", 1)
			row = regexp.MustCompile(`(\tpermissions=|,)group/`).ReplaceAllString(row, "${1}deviceGroup/")
		}
		fields := slices.DeleteFunc(strings.Split(strings.TrimSuffix(row, "\t"), "\t"), func(field string) bool {
			name, _, _ := strings.Cut(field, "=")
			return slices.Contains([]string{"seed_index", "seed_group", "previous", "spent", "counter"}, name)
		})
		if !slices.ContainsFunc(after, func(now string) bool {
			return !slices.ContainsFunc(fields, func(f string) bool {
				return !strings.Contains("\t"+now+"\t", "\t"+f+"\t") && !strings.HasPrefix(now, f+"\t")
			})
		}) {
			t.Errorf("lost: %.300q", row)
		}
	}
	s.clock.at.Store(1_900_000_000_000)
	s.open(t, 1)
	if number >= 7 { // earlier failures count: seven of ten
		for i := range 4 {
			reply := string(s.Call(t.Context(), "auth/verify", []byte(`{"user":{"loginName":"john.smith"},"credential":{"otp":"000000"}}`)))
			if want := []string{`{"error":201,`, `{"error":201,`, `{"error":201,`, `{"error":202,`}[i]; !strings.HasPrefix(reply, want) {
				t.Errorf("failure %d: %s", 8+i, reply)
			}
		}
		s.Call(t.Context(), "user/unlock", []byte(`{"user":{"loginName":"john.smith"}}`))
	}
	for method, params := range map[string]string{"audit/verify": `{}`, "token/get": `{"token":{"serial":"20000000"}}`,
		"auth/verify": `{"user":{"loginName":"john.smith"},"token":{"serial":"10000000"},"credential":{"otp":"1234287082"}}`} {
		if reply := string(s.Call(t.Context(), method, []byte(params))); !strings.HasPrefix(reply, `{"error":0`) {
			t.Errorf("%s: %s", method, reply)
		}
	}
	// What version 14 made works: an emergency code logs in, behind the PIN.
	code := string(s.Call(t.Context(), "tempPass/create", []byte(`{"attrs":{"user.loginName":"john.smith","password":"a-code"},"return":["password"]}`)))
	if code != `{"error":0,"result":{"password":"a-code"}}` {
		t.Errorf("tempPass/create: %s", code)
	}
	for _, want := range []string{`{"error":0}`, `{"error":208,`} {
		if reply := string(s.Call(t.Context(), "auth/verify", []byte(`{"user":{"loginName":"john.smith"},"credential":{"otp":"1234a-code"}}`))); !strings.HasPrefix(reply, want) {
			t.Errorf("an emergency code: %s, not %s", reply, want)
		}
	}
	// What version 13 made is there, and every domain and agent has what it needs.
	for method, c := range map[string]struct{ params, want string }{
		"domain/search":      {`{"match":[["identitySource.name","!=","internal"]],"max":0}`, `"total":0,`},
		"agent/search":       {`{"match":[["type","!=","API_AGENT"]],"max":0}`, `"total":0,`},
		"application/search": {`{"return":["name"]}`, `{"name":"tokensmith"}`},
		"user/set":           {`{"user":{"loginName":"john.smith"},"attrs":{"groups":[],"unit":null}}`, `{"error":0}`},
	} {
		if reply := string(s.Call(t.Context(), method, []byte(c.params))); !strings.Contains(reply, c.want) {
			t.Errorf("%s: %s, not %s", method, reply, c.want)
		}
	}
	if number == 10 {
		seedsOfTen(t, s)
	}
	if number == 11 {
		namesOfEleven(t, s)
	}
	if number == 13 {
		agentsOfThirteen(t, s)
		locksOfThirteen(t, s)
		namesOfThirteen(t, s)
	}
	if number == 17 {
		secretsOfSeventeen(t, s)
	}
	if _, err := s.store.Check(t.Context(), 100, true); err != nil {
		t.Error(err)
	}
}

// Version 13 did not know when failures in a row had locked a user. A code that is made now is made later, whoever is locked so. It
// does not open the lock of an administrator.
func locksOfThirteen(t *testing.T, s *service) {
	for login, want := range map[string]string{"hard": `{"error":0}`, "soft": `{"error":202,`} {
		s.Call(t.Context(), "tempPass/create", fmt.Appendf(nil, `{"attrs":{"user.loginName":%q,"password":"a-code"}}`, login))
		if reply := string(s.Call(t.Context(), "auth/verify", fmt.Appendf(nil, `{"user":{"loginName":%q},"credential":{"otp":"a-code"}}`, login))); !strings.HasPrefix(reply, want) {
			t.Errorf("%s: %s, not %s", login, reply, want)
		}
	}
}

// Version 13 compared first and last names as they are written. Now they are found without case, also those that SQL cannot fold.
func namesOfThirteen(t *testing.T, s *service) {
	for _, match := range []string{`["lastName",">>","ång"]`, `["firstName","=","ÉMILIE"]`} {
		reply := string(s.Call(t.Context(), "user/search", []byte(`{"match":[`+match+`],"return":["loginName"]}`)))
		if !strings.Contains(reply, `"rows":[{"loginName":"second"}]`) {
			t.Errorf("%s: %s", match, reply)
		}
	}
}

// An emergency code that was made before still logs in, once more and no more, and a client of RADIUS gets authentic replies with
// both its secrets.
func secretsOfSeventeen(t *testing.T, s *service) {
	for _, want := range []string{`{"error":0}`, `{"error":208,`} {
		if reply := string(s.Call(t.Context(), "auth/verify", []byte(`{"user":{"loginName":"second"},"credential":{"otp":"made-before"}}`))); !strings.HasPrefix(reply, want) {
			t.Errorf("an emergency code of before: %s, not %s", reply, want)
		}
	}
	for _, secret := range []string{radiusSecret, radiusSecret + "-2"} {
		n := &nas{t: t, s: s, from: "192.0.2.10:1645", secret: secret}
		n.tries(radius.CodeAccessReject, "stranger", "000000")
	}
}

// Version 11 called groups of devices group/* and allowed two users with the same name.
func namesOfEleven(t *testing.T, s *service) {
	for name, want := range map[string]string{"reader": "deviceGroup/search", "keeper": "token/*,deviceGroup/*,device/search",
		"both": "device/*,deviceGroup/get,deviceGroup/set", "none": "token/search", "limited": "auth/verify,deviceGroup/get", "own": "device/*", "first": "*"} {
		reply := string(s.Call(t.Context(), "agent/get", fmt.Appendf(nil, `{"agent":{"name":%q},"return":["permissions"]}`, name)))
		if want = `["` + strings.ReplaceAll(want, ",", `","`) + `"]`; !strings.Contains(reply, want) {
			t.Errorf("%s: %s, not %s", name, reply, want)
		}
	}
	// Callers that could read groups of devices still can, and have no other new permission.
	for _, c := range []struct {
		agent, method string
		want          int
	}{
		{"reader", "deviceGroup/search", 0}, {"reader", "deviceGroup/get", 5}, {"reader", "device/search", 5}, {"reader", "group/search", 5},
		{"both", "deviceGroup/get", 0}, {"both", "device/search", 0}, {"both", "deviceGroup/search", 5}, {"both", "deviceGroup/delete", 5},
		{"keeper", "deviceGroup/search", 0}, {"keeper", "token/search", 0}, {"keeper", "user/search", 5},
		{"none", "deviceGroup/search", 5}, {"own", "deviceGroup/search", 5}, {"limited", "deviceGroup/get", 0}, {"limited", "deviceGroup/search", 5},
	} {
		params := "{}"
		if strings.HasSuffix(c.method, "/get") {
			params = `{"deviceGroup":{"name":"child"}}`
		}
		as := secretOf(t, s, c.agent)
		if _, reply := as.post("/"+c.method, params); codeIn(reply) != c.want {
			t.Errorf("%s calls %s: %s, not %d", c.agent, c.method, reply, c.want)
		}
	}
	for name, want := range map[string]string{
		"john.smith@upn.example":       `"loginName":"john.smith"`,
		"EXAMPLE.COM\\john.smith":      `"loginName":"john.smith"`,
		"jörg@UPN.example":             `"loginName":"umlaut"`,
		"example.com/JÖRG@upn.example": `"loginName":"umlaut"`,
		"twin@upn.example":             `{"error":101,`, // two users have it
		"example.com/twin@upn.example": `{"error":101,`,
		"taken@upn.example":            `"loginName":"taken@upn.example"`, // also the principal name of another user
		"CORP\\bob":                    `{"error":242,`,
		"john":                         `{"error":15,`,
		"a/b/john":                     `{"error":242,`,
	} {
		if reply := string(s.Call(t.Context(), "user/get", fmt.Appendf(nil, `{"user":{"loginName":%q},"return":["loginName"]}`, name))); !strings.Contains(reply, want) {
			t.Errorf("%s: %s, not %s", name, reply, want)
		}
	}
	// Names that break the rules are listed, can be reached by id, and stay until they are changed.
	var faults []string
	_, err := s.NameFaults(t.Context(), func(f object.NameFault) { faults = append(faults, f.Object+" "+f.Attribute+" "+f.Text) })
	slices.Sort(faults)
	want := []string{`domain name "a/b"`, `user loginName "CORP\\bob"`, `user userPrincipalName "Taken@upn.example"`, `user userPrincipalName "Twin@upn.example"`,
		`user userPrincipalName "twin@UPN.example"`}
	if err != nil || !slices.Equal(faults, want) {
		t.Errorf("faults %q, %v", faults, err)
	}
	id := regexp.MustCompile(`"id":"([0-9a-f]+)"`).FindSubmatch(s.Call(t.Context(), "user/search", []byte(`{"match":[["loginName","=","CORP\\bob"]],"return":["id"]}`)))
	for _, c := range []struct{ attrs, want string }{{`"firstName":"Bob"`, `{"error":0}`}, {`"loginName":"CORP\\bobby"`, `{"error":11,`}, {`"loginName":"bob"`, `{"error":0}`}} {
		if reply := string(s.Call(t.Context(), "user/set", fmt.Appendf(nil, `{"id":%q,"attrs":{%s}}`, id[1], c.attrs))); !strings.HasPrefix(reply, c.want) {
			t.Errorf("%s: %s", c.attrs, reply)
		}
	}
}

// Version 13 allowed agents whose names differ in case alone, or only in case from that of an administrator. They stay, are found,
// and no further one is made.
func agentsOfThirteen(t *testing.T, s *service) {
	var faults []string
	_, err := s.NameFaults(t.Context(), func(f object.NameFault) { faults = append(faults, f.Object+" "+f.Attribute+" "+f.Text) })
	if want := []string{`agent name "Z\u00dcRICH"`, `agent name "ADA"`, `agent name "example.com\\boss2"`}; err != nil || !slices.Equal(faults, want) {
		t.Errorf("faults %q, %v", faults, err)
	}
	for _, c := range []struct{ method, params, want string }{
		{"agent/get", `{"agent":{"name":"READER"},"return":["name"]}`, `"name":"reader"`},
		{"agent/get", `{"agent":{"name":"EXAMPLE.COM\\Boss2"},"return":["name"]}`, `"name":"example.com\\boss2"`},
		{"agent/get", `{"agent":{"name":"zürich"}}`, `{"error":15,`},
		{"agent/search", `{"match":[["name","=","aDA"]],"return":["name"],"sort":"name"}`, `"total":2,`},
		{"agent/set", `{"agent":{"name":"example.com\\BOSS2"},"attrs":{"rateLimit":5}}`, `{"error":0`},
		{"user/set", `{"user":{"loginName":"boss2"},"attrs":{"firstName":"B"}}`, `{"error":0`},
		{"agent/create", `{"attrs":{"name":"rEADER"}}`, `{"error":13,`},
		{"agent/create", `{"attrs":{"name":"ex\\BOSS"}}`, `{"error":13,`},
	} {
		if reply := string(s.Call(t.Context(), c.method, []byte(c.params))); !strings.Contains(reply, c.want) {
			t.Errorf("%s %s: %s, not %s", c.method, c.params, reply, c.want)
		}
	}
	var ids []string
	for _, id := range regexp.MustCompile(`"id":"([0-9a-f-]+)"`).FindAllSubmatch(s.Call(t.Context(), "agent/search", []byte(`{"match":[["name","=","ada"]],"return":["id"]}`)), -1) {
		ids = append(ids, string(id[1]))
	}
	for i, id := range ids {
		want := []string{`{"error":0`, `{"error":13,`}[i]
		if reply := string(s.Call(t.Context(), "agent/set", fmt.Appendf(nil, `{"id":%q,"attrs":{"name":"grace"}}`, id))); !strings.HasPrefix(reply, want) {
			t.Errorf("a new name: %s", reply)
		}
	}
	if len(ids) != 2 {
		t.Errorf("%d agents are called ada", len(ids))
	}
}

// secretOf gives an agent a new secret and returns the server as this agent calls it.
func secretOf(t *testing.T, s *service, agent string) *service {
	t.Helper()
	reply := s.Call(t.Context(), "agent/rotateSecret", fmt.Appendf(nil, `{"agent":{"name":%q}}`, agent))
	var made struct {
		Result struct{ ClientID, ClientSecret string }
	}
	if err := json.Unmarshal(reply, &made); err != nil {
		t.Fatal(err, string(reply))
	}
	as := *s
	as.id, as.key = made.Result.ClientID, made.Result.ClientSecret
	return &as
}

// Version 10 distinguished seeds that HMAC turns into the same key, and kept a used time step above a mark that was lowered
// elsewhere.
func seedsOfTen(t *testing.T, s *service) {
	seed := func(letter string) []byte { return []byte(strings.Repeat(letter, 20)) }
	verify := func(want int, serial string, seed []byte, n uint64) {
		t.Helper()
		reply := string(s.Call(t.Context(), "auth/verify", fmt.Appendf(nil, `{"user":{"loginName":"odd"},"token":{"serial":%q},"credential":{"otp":%q}}`, serial, otp.Generate(seed, n, hotp))))
		if codeIn(reply) != want {
			t.Errorf("OTP %d of %s: %s, not %d", n, serial, reply, want)
		}
	}
	verify(206, "40000002", seed("a"), 3) // used by 40000001, whose seed has no zero at the end
	verify(0, "40000002", seed("a"), 4)
	verify(206, "40000001", seed("a"), 4)
	long := []byte(strings.Repeat("1234567", 10))
	verify(206, "40000007", long, 2) // used by 40000006: its seed is the hash of this one
	verify(0, "40000007", long, 3)
	verify(206, "40000006", long, 3)
	for _, deleted := range []struct {
		serial string
		seed   []byte
	}{{"40000003", append(seed("b"), 0)}, {"40000004", seed("c")}} { // both left a mark
		reply := string(s.Call(t.Context(), "token/create", fmt.Appendf(nil, `{"attrs":{"product.manufacturerCode":"DN","product.productCode":"SE","serial":%q,"seed":"%x","user.loginName":"odd"}}`, deleted.serial, deleted.seed)))
		if codeIn(reply) != 0 {
			t.Error(reply)
		}
		verify(206, deleted.serial, deleted.seed, 5)
		verify(0, deleted.serial, deleted.seed, 6)
	}
	err := s.store.View(t.Context(), func(tx store.ReadTx) error {
		ids, err := tx.Find(&store.Query{Table: "tokens", Columns: []store.Column{{Name: "id"}}, Limit: 1,
			Where: []store.Cond{{Column: "serial", Op: store.Eq, Value: "40000005"}}})
		if err != nil {
			return err
		}
		var st model.TokenState
		err = tx.Load(&st, fmt.Sprint(ids[0][0]))
		if spent := st.OTP(slow); spent.Spent != otp.StepsOf(29933242, 29933243) || spent.Known != spent.Next || spent.Next != 29933222 {
			t.Errorf("of a mark that was taken back: %+v", spent)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
