// Package promise says in plain Go what tokensmith promises, so that tests can hold a server to it: no store, no SQL, and none of the
// rules of package model, only how an OTP is made. It knows a database as rows (see Read), a call as what was asked and answered.
//
//	whole.go    what every database is, whatever happened
//	change.go   what a call may change, and what was acknowledged stays
//	login.go    what becomes of credentials: each once, failures and locks exact
//	caller.go   what a caller may do, and what one who is limited to domains may know
//
// A Call may be in doubt: its answer was lost, or says that it is not known (error 8). Then either outcome is right.
package promise

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Row is a row of a table: its columns as JSON.
type Row map[string]json.RawMessage

// Rows are all rows of a database, by table and key.
type Rows map[string]map[string]Row

// keys are the columns that name a row, where that is not "id".
var keys = map[string][]string{
	"meta": {"name"}, "user_states": {"user_id"}, "token_states": {"token_id"}, "agent_certificates": {"hash"}, "download_links": {"token_id"},
	"strangers": {"slot"}, "device_group_members": {"device_id", "group_id"}, "installation_code_groups": {"code_id", "group_id"},
	"username_numbers": {"domain_id", "prefix"}, "sessions": {"hash"}, "guess_addresses": {"slot"}, "user_addresses": {"user_id", "address"},
	"user_group_members": {"user_id", "group_id"}, "user_group_parents": {"group_id", "parent_id"}, "realm_domains": {"realm_id", "domain_id"},
	"logon_step_authenticators": {"step_id", "authenticator_id"}, "application_procedures": {"application_id", "procedure_id"},
	"agent_applications": {"agent_id", "application_id"}, "audit_marks": {"number"}, "sign_ins": {"user_id", "address"},
	"radius_client_states": {"client_id"}, "count_days": {"day", "name"},
}

// Reader reads dumps, and what did not change between one and the next only once.
type Reader struct{ known map[string]line }

type line struct {
	table, key string
	row        Row
}

// Read reads what store.Store's Dump wrote.
func (r *Reader) Read(dump io.Reader) (Rows, error) {
	rows, known := Rows{}, map[string]line{}
	lines := bufio.NewScanner(dump)
	lines.Buffer(make([]byte, 64<<10), 16<<20)
	for lines.Scan() {
		if !bytes.HasPrefix(lines.Bytes(), []byte(`{"table":`)) {
			continue // head and end
		}
		text := lines.Text()
		l, ok := r.known[text]
		if !ok {
			var read struct {
				Table string `json:"table"`
				Row   Row    `json:"row"`
			}
			if err := json.Unmarshal([]byte(text), &read); err != nil {
				return nil, err
			}
			l = line{read.Table, keyOf(read.Table, read.Row), read.Row}
			if strings.TrimSpace(l.key) == "" {
				return nil, fmt.Errorf("which columns are the key of table %s?", l.table)
			}
		}
		known[text] = l
		if rows[l.table] == nil {
			rows[l.table] = map[string]Row{}
		}
		if rows[l.table][l.key] != nil {
			return nil, fmt.Errorf("table %s has two rows %s", l.table, l.key)
		}
		rows[l.table][l.key] = l.row
	}
	r.known = known
	return rows, lines.Err()
}

func keyOf(table string, row Row) string {
	columns := keys[table]
	if columns == nil {
		columns = []string{"id"}
	}
	parts := make([]string, len(columns))
	for i, c := range columns {
		if parts[i] = row.Text(c); parts[i] == "" {
			parts[i] = string(row[c])
		}
	}
	return strings.Join(parts, " ")
}

// Text is a text column; "" where it is NULL or no text.
func (r Row) Text(column string) string {
	raw := r[column]
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	if !bytes.ContainsRune(raw, '\\') {
		return string(raw[1 : len(raw)-1])
	}
	var s string
	json.Unmarshal(raw, &s)
	return s
}

// Int is a number, or 1 for true; 0 where it is NULL.
func (r Row) Int(column string) int64 {
	if string(r[column]) == "true" {
		return 1
	}
	n, _ := strconv.ParseInt(string(r[column]), 10, 64)
	return n
}

// Has says whether a column is there and not NULL.
func (r Row) Has(column string) bool { return r[column] != nil && string(r[column]) != "null" }

// Bytes are those of a binary column.
func (r Row) Bytes(column string) []byte {
	var v struct {
		Base64 []byte `json:"base64"`
	}
	json.Unmarshal(r[column], &v)
	return v.Base64
}

// Sorted are the keys of a table's rows in order, so that whoever goes through them does the same each time.
func (r Rows) Sorted(table string) []string {
	list := make([]string, 0, len(r[table]))
	for key := range r[table] {
		list = append(list, key)
	}
	slices.Sort(list)
	return list
}

// count counts rows of a table by what a column refers to.
func (r Rows) count(table, column string) map[string]int64 {
	n := map[string]int64{}
	for _, row := range r[table] {
		if row.Has(column) {
			n[row.Text(column)]++
		}
	}
	return n
}

// Call is one call of a method, and what came of it.
type Call struct {
	Method string // "token/create"
	Agent  string // id of who called; "" = a device
	// Session is the key of the row of the session with which a person called at the console, whose id Agent is; Now is when, in milliseconds.
	Session string
	Now     int64
	Code    int    // the reply's error
	Doubt   bool   // the answer was lost, or it is error 8
	Dry     bool   // it only says what it would do
	Replay  bool   // it was answered with what is kept of the same call before
	Inner   []Call // of a batch: what each of its calls was answered

	Login *Attempt // of a call that tries a credential, and whose is known
}

// Acknowledged says whether the call was answered that it succeeded.
func (c *Call) Acknowledged() bool { return !c.Doubt && c.Code == 0 }

// Broken are promises that were broken, one sentence each.
type Broken []string

func (b *Broken) add(format string, args ...any) { *b = append(*b, fmt.Sprintf(format, args...)) }
