package promise

import (
	"bytes"
	"slices"
	"strings"
)

// frames say by which methods a table's rows may change: a table that changes otherwise was changed by somebody who must not. A
// pattern is a method, "object/*" or "*". A table that is not here may not change at all.
var frames = map[string][]string{
	"domains":      {"domain/*"},
	"users":        {"user/*", "auth/*", "installationCode/redeem", "console/signIn"},
	"user_states":  {"user/*", "auth/*", "token/reset", "token/syncToken", "installationCode/redeem", "console/signIn", "tempPass/*"},
	"temp_passes":  {"tempPass/*", "auth/*", "user/delete"},
	"products":     {"product/*", "token/import", "token/create"},
	"repositories": {"repository/*", "token/import", "token/create"},
	"tokens":       {"token/*", "tokenAssignment/*", "auth/*", "console/signIn", "domain/deployTokens"},
	"token_states": {"token/*", "auth/*", "console/signIn", "domain/deployTokens"},
	"seed_marks":   {"token/*"},

	"identity_sources":   {"identitySource/*"},
	"units":              {"unit/*", "repository/delete"},
	"user_groups":        {"group/*"},
	"user_group_members": {"group/*", "user/*"},
	"user_group_parents": {"group/*"},

	"realms":                    {"realm/*"},
	"realm_domains":             {"realm/*", "domain/delete"},
	"logon_procedures":          {"logonProcedure/*"},
	"logon_steps":               {"logonStep/*", "logonProcedure/delete"},
	"logon_step_authenticators": {"logonStep/*", "logonProcedure/delete"},
	"applications":              {"application/*"},
	"application_procedures":    {"application/*"},
	"agent_applications":        {"agent/*"},
	"radius_clients":            {"radiusClient/*"},
	"radius_client_states":      {"radiusClient/*"},

	"token_assignments": {"tokenAssignment/*", "token/*", "auth/*", "console/signIn", "domain/deployTokens"},
	"download_links":    {"token/*", "tokenAssignment/*"},

	"agents":             {"agent/*", "domain/set"},
	"agent_certificates": {"agent/*"},
	"sessions":           {"user/*", "auth/*", "console/signIn", "console/signOut"},
	"sign_ins":           {"user/*", "console/signIn"},
	"strangers":          {"auth/*", "installationCode/redeem", "installationCode/check", "console/signIn"},
	"guess_addresses":    {"auth/*", "console/signIn"},
	"user_addresses":     {"auth/*", "user/delete", "console/signIn"},

	"devices":              {"device/*", "installationCode/redeem", "installationCode/check"},
	"client_tokens":        {"device/*", "installationCode/redeem", "installationCode/check"},
	"device_groups":        {"deviceGroup/*", "device/createMany"},
	"device_group_members": {"device/*", "deviceGroup/delete", "installationCode/redeem"},
	"licenses":             {"license/*", "device/*", "installationCode/redeem"},

	"installation_codes":       {"installationCode/*", "device/*"},
	"installation_code_groups": {"installationCode/*", "deviceGroup/delete"},
	"installation_uses":        {"installationCode/*"},
	"username_numbers":         {"installationCode/redeem", "domain/delete"},

	"templates":        {"template/*"},
	"deliveries":       {"auth/sendOTP", "tokenAssignment/*", "installationCode/send", "device/*", "token/*", "tempPass/send"},
	"idempotency_keys": {"*"},
	"audit":            {"*"},
	"audit_marks":      {"*"},
	"meta":             {"device/*", "installationCode/redeem"}, // that devices were logged out
}

// aside are columns that are noted beside a call, whatever becomes of it.
var aside = map[string][]string{"agents": {"last_used"}, "devices": {"last_seen"}, "client_tokens": {"last_used"}, "sessions": {"last_used"}}

// counts says whether a method's refusals change something: they count towards a lock.
func counts(method string) bool {
	return strings.HasPrefix(method, "auth/") || fits([]string{"tokenAssignment/activate", "token/syncToken", "console/signIn"}, method)
}

// noDomain is the answer to whoever names a domain that he does not see, or that is not there: before any user is looked at.
const noDomain = 242

// effective says whether a call may have changed something.
func (c *Call) effective() bool {
	return !c.Dry && (c.Doubt || c.Code == 0 && !c.Replay || counts(c.Method) && c.Code >= 200 && c.Code != noDomain)
}

// effective returns the calls, those inside of others too, that may have changed something.
func effective(calls []Call) (list []Call) {
	for _, c := range calls {
		if c.Inner == nil {
			if c.effective() {
				list = append(list, c)
			}
		} else if c.Doubt || c.Code == 0 {
			list = append(append(list, c), effective(c.Inner)...)
			for _, inner := range c.Inner {
				if c.Doubt && !inner.effective() { // as the answer would have said
					inner.Doubt = true
					list = append(list, inner)
				}
			}
		}
	}
	return list
}

// Changed says what is different between two states that no call may have made so: what was refused shows in nothing, what was
// acknowledged stays, the record only grows, and what counts only goes forward.
func Changed(before, after Rows, calls []Call) (broken Broken) {
	made := effective(calls)
	tables := map[string]bool{}
	for t := range before {
		tables[t] = true
	}
	for t := range after {
		tables[t] = true
	}
	for table := range tables {
		allowed := slices.ContainsFunc(made, func(c Call) bool { return fits(frames[table], c.Method) })
		for _, key := range differing(before[table], after[table]) {
			was, is := before[table][key], after[table][key]
			switch {
			case table == "audit" && (was != nil):
				broken.add("row %s of the record was changed or is gone", key)
			case table == "audit" || table == "audit_marks":
			case allowed, was != nil && is != nil && same(was, is, aside[table]):
			default:
				broken.add("%s %s: %s, by none of the calls that may", table, key, change(was, is))
			}
		}
	}
	return append(broken, forward(before, after, made)...)
}

func fits(patterns []string, method string) bool {
	object, _, _ := strings.Cut(method, "/")
	return slices.ContainsFunc(patterns, func(p string) bool { return p == "*" || p == method || p == object+"/*" })
}

// differing are the keys of rows that are not the same.
func differing(before, after map[string]Row) (keys []string) {
	for key, is := range after {
		if was := before[key]; was == nil || !same(was, is, nil) {
			keys = append(keys, key)
		}
	}
	for key := range before {
		if after[key] == nil {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

func same(a, b Row, but []string) bool {
	for column, value := range b {
		if !bytes.Equal(a[column], value) && !slices.Contains(but, column) {
			return false
		}
	}
	return len(a) == len(b)
}

// change describes one, for people.
func change(was, is Row) string {
	switch {
	case was == nil:
		return "is new"
	case is == nil:
		return "is gone"
	}
	var parts []string
	for column, value := range is {
		if !bytes.Equal(was[column], value) {
			parts = append(parts, column+" "+string(was[column])+" → "+string(value))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// forward says what went back that only goes forward.
func forward(before, after Rows, made []Call) (broken Broken) {
	did := func(patterns ...string) bool {
		return slices.ContainsFunc(made, func(c Call) bool { return fits(patterns, c.Method) })
	}
	for _, f := range []struct {
		table, column string
		but           []string // what may take it back
	}{
		{"token_states", "counter", []string{"token/reset"}}, // an administrator's decision, or a mark in the future
		{"agents", "generation", nil},
		{"installation_codes", "generation", nil},
		{"installation_codes", "times_used", nil},
		{"username_numbers", "last", nil},
		{"user_states", "guessed_until", []string{"user/unlock", "user/set", "user/import"}},
		{"user_states", "calm_at", []string{"user/unlock", "user/set", "user/import"}},
		{"token_assignments", "usage_count", []string{"tokenAssignment/set"}},
		{"tokens", "downloads", nil},
		{"temp_passes", "used_times", nil},
		{"temp_passes", "sent_times", nil},
	} {
		if did(f.but...) {
			continue
		}
		for key, is := range after[f.table] {
			if was := before[f.table][key]; was != nil && is.Int(f.column) < was.Int(f.column) {
				broken.add("%s %s: %s went back from %d to %d", f.table, key, f.column, was.Int(f.column), is.Int(f.column))
			}
		}
	}
	for key, was := range before["token_states"] {
		is := after["token_states"][key]
		if is == nil || did("token/reset") || !did("token/*", "auth/*") {
			continue
		}
		for _, step := range steps(was.Bytes("used")) {
			if step >= is.Int("counter") && !slices.Contains(steps(is.Bytes("used")), step) {
				broken.add("token %s has forgotten that step %d was used", key, step)
			}
		}
	}
	for id, is := range after["installation_codes"] {
		was := before["installation_codes"][id]
		limit := is.Int("usage_limit")
		if was == nil || limit == 0 || did("installationCode/set") || is.Int("usage_limit_delay") > 0 {
			continue
		}
		if n := is.Int("times_used"); n > limit && n > was.Int("times_used") {
			broken.add("installation code %s was used %d times, and %d are allowed", id, n, limit)
		}
	}
	for id, is := range after["temp_passes"] {
		was, limit := before["temp_passes"][id], is.Int("usage_limit")
		if n := is.Int("used_times"); limit > 0 && n > limit && n > was.Int("used_times") && !did("tempPass/set") {
			broken.add("emergency code %s was used %d times, and %d are allowed", id, n, limit)
		}
	}
	for id, is := range after["token_assignments"] {
		was := before["token_assignments"][id]
		limit := is.Int("usage_limit")
		if n := is.Int("usage_count"); was != nil && limit > 0 && n > limit && n > was.Int("usage_count") && !did("tokenAssignment/set") {
			broken.add("token assignment %s was used %d times, and %d are allowed", id, n, limit)
		}
	}
	return broken
}

// reading are verbs of methods that change nothing, or nothing that belongs into the record.
var reading = []string{"get", "search", "list", "estimate", "check", "connect", "generateCode", "logout", "resetLogon", "execute", "reveal", "retrieve", "export", "verify", "selfTest", "signOut", "history", "overview"}

// Changes says whether a method's success stands in the record.
func Changes(method string) bool {
	object, verb, _ := strings.Cut(method, "/")
	if object == "auth" {
		return fits([]string{"auth/verify", "auth/logon", "auth/syncToken", "auth/sendOTP", "auth/activateTokenAssignment"}, method)
	}
	return !slices.ContainsFunc(reading, func(r string) bool { return strings.HasPrefix(verb, r) })
}

// Recorded says what the record lacks of what was done, and what it holds that was not.
func Recorded(before, after Rows, calls []Call) (broken Broken) {
	type kind struct {
		method string
		code   int64
	}
	wrote, of := map[kind]int{}, map[[2]string]int{}
	for key, row := range after["audit"] {
		if before["audit"][key] == nil {
			wrote[kind{row.Text("method"), row.Int("outcome")}]++
			of[[2]string{row.Text("method"), row.Text("object")}]++
		}
	}
	acknowledged, doubtful, did := map[kind]int{}, map[string]int{}, map[string]int{}
	var count func(calls []Call, doubt bool)
	count = func(calls []Call, doubt bool) {
		for i := range calls {
			c := &calls[i]
			did[c.Method]++
			switch {
			case c.Doubt || doubt:
				doubtful[c.Method]++
			case c.Replay, c.Dry:
			case c.Code == 0 && Changes(c.Method), counted(c):
				acknowledged[kind{c.Method, int64(c.Code)}]++
			}
			if c.Code == 0 || c.Doubt || doubt {
				count(c.Inner, c.Doubt || doubt)
			}
		}
	}
	count(calls, false)
	for k, n := range acknowledged {
		if wrote[k] < n {
			broken.add("%d calls of %s were answered %d, and the record has %d of them", n, k.method, k.code, wrote[k])
		}
	}
	for k, n := range wrote {
		exact := fits([]string{"auth/verify", "auth/logon"}, k.method) && (k.code == 0 || k.code >= 201 && k.code <= 208)
		if exact && n > acknowledged[k]+doubtful[k.method] {
			broken.add("the record has %d calls of %s that ended with %d, and %d were answered so", n, k.method, k.code, acknowledged[k])
		}
		if k.code == 0 && did[k.method] == 0 {
			broken.add("the record has a call of %s, which nobody made", k.method)
		}
	}
	for row, n := range of {
		if n > did[row[0]] && did[row[0]] > 0 {
			broken.add("the record has %d rows of %d calls of %s on %s", n, did[row[0]], row[0], row[1])
		}
	}
	return broken
}

// counted says whether a call was refused with an outcome that stands in the record.
func counted(c *Call) bool {
	return fits([]string{"auth/verify", "auth/logon"}, c.Method) && c.Code >= 201 && c.Code <= 208
}
