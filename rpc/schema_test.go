package rpc_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tokensmith/store"
	"tokensmith/store/storetest"
)

// A database of each released schema (testdata/schema, an SQLite dump of which each table has rows where it could)
// migrates, keeps its rows, and works: its secrets open, its record verifies. Its key is the SHA-256 of a phrase.
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
	// What every row had, it still has; columns may have been added to it.
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
		fields := strings.Split(strings.TrimSuffix(row, "\t"), "\t")
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
	if number >= 7 { // what somebody failed with before counts: seven times of ten
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
	if _, err := s.store.Check(t.Context(), 100, true); err != nil {
		t.Error(err)
	}
}
