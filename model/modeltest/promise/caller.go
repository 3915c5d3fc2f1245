package promise

import (
	"slices"
	"strings"
)

// Agent is one that calls, as a database has it.
type Agent struct{ row Row }

// AgentOf finds an agent.
func AgentOf(rows Rows, id string) *Agent {
	if row := rows["agents"][id]; row != nil {
		return &Agent{row}
	}
	return nil
}

// PersonOf finds who is signed in to the console, whom a session makes an agent with his permissions: while it was used within half an hour,
// is younger than twelve, and its user is an administrator who is not disabled and has the password with which he signed in. Where he
// is not, he is not active.
func PersonOf(rows Rows, session string, now int64) *Agent {
	s := rows["sessions"][session]
	u := rows["users"][s.Text("user_id")]
	status, permissions := u.Text("status"), u.Text("permissions")
	good := (status == "ACTIVE" || status == "LOCKED") && permissions != "" && u.Int("last_change_password") == s.Int("password_changed") &&
		now-s.Int("last_used") < 30*minute && now-s.Int("date_created") < day/2
	return &Agent{Row{"status": []byte(map[bool]string{true: `"ACTIVE"`, false: `"ENDED"`}[good]), "permissions": []byte(`"` + permissions + `"`)}}
}

// caller is who called.
func (c *Call) caller(rows Rows) *Agent {
	if c.Session != "" {
		return PersonOf(rows, c.Session, c.Now)
	}
	return AgentOf(rows, c.Agent)
}

// Active says whether it may call at all.
func (a *Agent) Active() bool { return a != nil && a.row.Text("status") == "ACTIVE" }

// Permits says whether it may call a method: by its name, by "object/*" or by "*"; what reveals a secret not by "object/*".
func (a *Agent) Permits(method string, reveals bool) bool {
	object, _, _ := strings.Cut(method, "/")
	return slices.ContainsFunc(list(a.row.Text("permissions")), func(p string) bool {
		return p == "*" || p == method || !reveals && p == object+"/*"
	})
}

func list(text string) []string {
	return slices.DeleteFunc(strings.Split(text, ","), func(s string) bool { return s == "" })
}

// Hidden are the ids of what an agent that is limited to domains does not see: the other domains, their users, what those have, and
// devices of nobody. Of an agent that sees everything there is none.
func (a *Agent) Hidden(rows Rows) map[string]bool {
	hidden := map[string]bool{}
	domains := list(a.row.Text("domains"))
	if len(domains) == 0 {
		return hidden
	}
	for id, d := range rows["domains"] {
		if !slices.ContainsFunc(domains, func(name string) bool { return strings.EqualFold(name, d.Text("name")) }) {
			hidden[id] = true
		}
	}
	for id, u := range rows["users"] {
		if hidden[u.Text("domain_id")] {
			hidden[id] = true
		}
	}
	for id, as := range rows["token_assignments"] {
		if hidden[as.Text("user_id")] {
			hidden[id], hidden[as.Text("token_id")] = true, true
		}
	}
	for id, c := range rows["temp_passes"] {
		if hidden[c.Text("user_id")] {
			hidden[id] = true
		}
	}
	for id, d := range rows["devices"] {
		if !d.Has("user_id") || hidden[d.Text("user_id")] {
			hidden[id] = true
		}
	}
	return hidden
}

// Allowed says what a call got that its caller must not get. It may have changed meanwhile what the caller may: what he may by either
// state is right. told is the reply, asked what was sent.
func Allowed(before, after Rows, c *Call, reveals bool, asked, told string) (broken Broken) {
	if c.Agent == "" || c.Doubt {
		return nil
	}
	a, b := c.caller(before), c.caller(after)
	if !a.Active() && !b.Active() {
		if c.Code != 4 {
			broken.add("%s by an agent that is not active was answered %d, not 4", c.Method, c.Code)
		}
		return broken
	}
	if c.Session != "" && a.Active() && b.Active() && c.Code == 4 {
		broken.add("%s by who is signed in was answered 4", c.Method)
	}
	if a == nil || b == nil {
		return nil
	}
	if c.Code == 0 && !a.Permits(c.Method, reveals) && !b.Permits(c.Method, reveals) && c.Method != "token/create" { // which token/import opens as well
		broken.add("%s is not among the agent's permissions %s and succeeded", c.Method, a.row.Text("permissions"))
	}
	was, is := a.Hidden(before), b.Hidden(after)
	for id := range was {
		if is[id] && strings.Contains(told, id) && !strings.Contains(asked, id) {
			broken.add("%s told the agent, who is limited to %s, of %s", c.Method, a.row.Text("domains"), id)
		}
	}
	return broken
}

// shared are columns that anybody's call may change: by another token of the same seed, and what is noted beside a call.
var shared = map[string][]string{"tokens": {"seed_group"}, "devices": {"last_seen"}}

// Beyond says what a limited agent changed of what it does not see.
func Beyond(before, after Rows, id string) (broken Broken) {
	a, b := AgentOf(before, id), AgentOf(after, id)
	if a == nil || b == nil {
		return nil
	}
	was, is := a.Hidden(before), b.Hidden(after)
	for _, table := range []string{"domains", "users", "token_assignments", "temp_passes", "devices", "tokens"} {
		for _, key := range differing(before[table], after[table]) {
			if was[key] && (is[key] || after[table][key] == nil) && !same(before[table][key], after[table][key], shared[table]) {
				broken.add("an agent that is limited to %s changed %s %s: %s", a.row.Text("domains"), table, key, change(before[table][key], after[table][key]))
			}
		}
	}
	return broken
}
