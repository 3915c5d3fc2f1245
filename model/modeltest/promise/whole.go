package promise

// Whole says what of a database is not as it always is: numbers that are kept beside the rows they count, what belongs together.
func Whole(rows Rows) (broken Broken) {
	devices := rows.count("devices", "license_id")
	for id, l := range rows["licenses"] {
		if used := l.Int("seats_used"); used != devices[id] || used > l.Int("seats") {
			broken.add("license %s counts %d of %d seats as taken, and %d devices have one", id, used, l.Int("seats"), devices[id])
		}
	}
	uses := rows.count("installation_uses", "code_id")
	for id, c := range rows["installation_codes"] {
		if c.Int("times_used") != uses[id] {
			broken.add("installation code %s counts %d uses, and there are %d", id, c.Int("times_used"), uses[id])
		}
	}
	live := map[string]int{}
	for id, t := range rows["client_tokens"] {
		if t.Text("state") != "REVOKED" {
			live[t.Text("device_id")]++
		}
		if rows["devices"][t.Text("device_id")] == nil {
			broken.add("client token %s is of no device", id)
		}
	}
	for id, d := range rows["devices"] {
		if live[id] > 1 {
			broken.add("device %s has %d client tokens that are good", id, live[id])
		}
		if t := rows["client_tokens"][d.Text("token_id")]; t == nil || t.Text("device_id") != id {
			broken.add("device %s does not have the client token it names", id)
		}
	}
	for _, pair := range []struct{ one, other string }{{"users", "user_states"}, {"tokens", "token_states"}} {
		for id := range rows[pair.one] {
			if rows[pair.other][id] == nil {
				broken.add("%s %s has no row in %s", pair.one, id, pair.other)
			}
		}
		if len(rows[pair.one]) != len(rows[pair.other]) {
			broken.add("there are %d %s and %d %s", len(rows[pair.one]), pair.one, len(rows[pair.other]), pair.other)
		}
	}
	codes := rows.count("temp_passes", "user_id")
	for id, s := range rows["user_states"] {
		if s.Int("temp_passes") != codes[id] {
			broken.add("user %s counts %d emergency codes, and there are %d", id, s.Int("temp_passes"), codes[id])
		}
	}
	owners, pairs := map[string]int{}, map[string]int{}
	for _, a := range rows["token_assignments"] {
		pairs[a.Text("token_id")+" "+a.Text("user_id")]++
		owners[a.Text("token_id")] += int(a.Int("is_owner"))
	}
	for token, n := range owners {
		if n > 1 {
			broken.add("token %s has %d owners", token, n)
		}
	}
	for pair, n := range pairs {
		if n > 1 {
			broken.add("token and user %s are assigned %d times", pair, n)
		}
	}
	for _, ref := range references {
		for key, row := range rows[ref.table] {
			if row.Has(ref.column) && rows[ref.to][row.Text(ref.column)] == nil {
				broken.add("%s %s refers to a row of %s that is not there", ref.table, key, ref.to)
			}
		}
	}
	return broken
}

// references are what a row must have: the database's foreign keys, and what it does not know.
var references = []struct{ table, column, to string }{
	{"users", "domain_id", "domains"}, {"token_assignments", "user_id", "users"}, {"token_assignments", "token_id", "tokens"},
	{"tokens", "product_id", "products"}, {"tokens", "repository_id", "repositories"}, {"devices", "user_id", "users"},
	{"devices", "license_id", "licenses"}, {"installation_codes", "domain_id", "domains"}, {"installation_codes", "user_id", "users"},
	{"installation_codes", "device_id", "devices"}, {"installation_codes", "license_id", "licenses"}, {"repositories", "parent_id", "repositories"},
	{"device_groups", "parent_id", "device_groups"}, {"temp_passes", "user_id", "users"}, {"sessions", "user_id", "users"},
	{"domains", "identity_source_id", "identity_sources"}, {"domains", "repository_id", "repositories"}, {"units", "domain_id", "domains"}, {"units", "parent_id", "units"},
	{"users", "unit_id", "units"}, {"user_groups", "domain_id", "domains"}, {"user_group_members", "user_id", "users"}, {"user_group_members", "group_id", "user_groups"},
	{"user_group_parents", "group_id", "user_groups"}, {"user_group_parents", "parent_id", "user_groups"}, {"applications", "realm_id", "realms"},
	{"realm_domains", "realm_id", "realms"}, {"realm_domains", "domain_id", "domains"}, {"logon_steps", "logon_procedure_id", "logon_procedures"},
	{"agent_applications", "agent_id", "agents"}, {"agent_applications", "application_id", "applications"},
	{"radius_clients", "application_id", "applications"}, {"radius_client_states", "client_id", "radius_clients"},
}

// steps reads a list of time steps of 8 bytes each.
func steps(b []byte) (list []int64) {
	for ; len(b) >= 8; b = b[8:] {
		n := int64(0)
		for _, c := range b[:8] {
			n = n<<8 | int64(c)
		}
		list = append(list, n)
	}
	return list
}
