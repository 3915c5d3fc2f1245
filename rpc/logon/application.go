package logon

import (
	"net/http"
	"slices"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// ApplicationType declares the object application.
var ApplicationType = object.Declare(&object.Type{
	Name: "application", NotFound: model.ApplicationNoun, Row: func() any { return new(model.Application) },
	Keys: [][]string{{"name"}}, ShownWhenAmbiguous: []string{"id", "name"},
	UsedBy: []object.Use{{Rows: store.ApplicationAgents[0], Noun: "agents"}, {Rows: store.ApplicationRadiusClients, Noun: "RADIUS clients"}},
	Check:  checkApplication, BeforeDelete: beforeDelete,
	Attrs: []object.Attr{
		{Name: "name", Kind: object.Text, Rule: model.Name, When: object.Always, Required: true, Fold: true, Indexed: true, About: "unique, compared without case"},
		{Name: "description", Kind: object.Text, Rule: model.AnyText, When: object.Always, Max: 1024},
		{Name: "realm", Kind: object.Ref, When: object.Always, Object: "realm", Indexed: true, About: "whose users log on to it; none = those of all domains"},
	},
	Collections: []object.Collection{
		{Name: "agents", Alias: "agent", Object: "agent", Order: "agentId", Steps: store.ApplicationAgents, About: "through which users log on to it; given with the agent"},
		{Name: "logonProcedures", Alias: "logonProcedure", When: object.Always, Object: "logonProcedure", Order: "procedureId", Steps: store.ApplicationProcedures,
			About: "at most one; none = one step, which any authenticator passes"},
	},
})

func checkApplication(c *dispatch.Call, tx store.Tx, d *object.Decoded, _, _ any) error {
	if err := notHeld(c); err != nil {
		return err
	}
	if given := d.Members("logonProcedures"); given != nil && given.Len() > 1 {
		ids, err := given.Find(c, tx, "", "")
		if err != nil {
			return err
		}
		if len(ids) > 1 {
			return model.AttrErrorf(model.Invalid, d.Place+".logonProcedures", "has one at most")
		}
	}
	return nil
}

// Find returns the id of the application that a login names, or of the caller's only one if it names none, and limits the
// transaction to the users of its realm. mine are the ids of the caller's applications; without any it may name every application.
func Find(tx store.ReadTx, named wire.Named, mine []string) (string, error) {
	var conds []store.Cond
	if named.ID != "" {
		conds = append(conds, store.ByID(named.ID))
	}
	if named.Name != "" {
		conds = append(conds, store.Cond{Column: store.Folded("name"), Op: store.Eq, Value: model.Fold(model.Trim(named.Name))})
	}
	if len(conds) == 0 {
		conds = []store.Cond{store.ByID(mine[0])}
	}
	found, err := tx.Find(&store.Query{Table: ApplicationType.Table, Columns: []store.Column{store.IDColumn, {Name: store.RealmApplications.To}}, Where: conds, Limit: 1, Quick: true})
	if err != nil {
		return "", err
	}
	if len(found) == 0 || len(mine) > 0 && !slices.Contains(mine, object.AsText(found[0][0])) {
		return "", model.NotFoundError(model.ApplicationNoun)
	}
	id := object.AsText(found[0][0])
	if found[0][1] == nil {
		return id, nil
	}
	users, err := usersOf(tx, found[0][1])
	if err == nil {
		tx.SetScope(users)
	}
	return id, err
}

// usersOf returns the scope of the users of a realm.
func usersOf(tx store.ReadTx, realmID any) (store.Scope, error) {
	domains, err := tx.Find(&store.Query{Table: object.Types["domain"].Table, Columns: []store.Column{store.IDColumn}, Limit: object.MaxSearch,
		Where: []store.Cond{store.InRealm(realmID)}})
	ids := make([]any, len(domains)) // without any, the realm has no users
	for i, d := range domains {
		ids[i] = d[0]
	}
	return store.DomainScope(ids), err
}

// Users returns the scope of the users who may log on to an application; nil if it is all of them.
func Users(tx store.ReadTx, application string) (store.Scope, error) {
	var a model.Application
	if err := tx.Load(&a, application); err != nil || a.RealmID == nil {
		return nil, err
	}
	return usersOf(tx, *a.RealmID)
}

// Steps returns the steps by which users log on to an application; none for the built-in step. A procedure that has no steps is an
// error, because nobody can log on by it.
func Steps(tx store.ReadTx, application string) ([]model.Step, error) {
	if application == "" {
		return nil, nil
	}
	rows, err := tx.Find(&store.Query{Table: StepType.Table, Limit: object.MaxSearch,
		Columns: store.StepColumns,
		Where: []store.Cond{{Path: []store.Step{{From: store.ProcedureSteps.To, Table: store.ApplicationProcedures[0].Table, To: store.ApplicationProcedures[1].From}},
			Column: store.ApplicationProcedures[0].To, Op: store.Eq, Value: application}},
		Sort: []store.Sort{{Column: store.Column{Name: "position"}}, {Column: store.IDColumn}}})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		has, err := tx.Exists(store.ApplicationProcedures[0], application)
		if has && err == nil {
			err = &model.Error{Kind: model.NotFound, Noun: model.LogonStepNoun, Msg: "the application's logon procedure has no steps: nobody can log on by it"}
		}
		return nil, err
	}
	steps := make([]model.Step, len(rows))
	at := map[string]int{}
	ids := make([]any, len(rows))
	for i, r := range rows {
		ids[i], at[object.AsText(r[0])] = r[0], i
		steps[i] = model.Step{Name: object.AsText(r[1]), Description: object.AsText(r[2]), Challenge: r[3].(bool), StaticPassword: r[4].(bool)}
	}
	to := store.StepAuthenticators
	codes, err := tx.Find(&store.Query{Table: to[0].Table, Columns: []store.Column{{Name: to[0].To}, {Name: to[1].From}}, Limit: object.MaxSearch,
		Where: []store.Cond{{Column: to[0].To, Op: store.In, Value: ids}}, Sort: []store.Sort{{Column: store.Column{Name: to[1].From}}}})
	for _, r := range codes {
		i := at[object.AsText(r[0])]
		steps[i].Codes = append(steps[i].Codes, object.AsText(r[1]))
	}
	return steps, err
}

// selfTested is the reply to application/selfTest.
type selfTested struct {
	Rows []tested `json:"rows"`
}

type tested struct {
	Name    string `json:"name"`
	Passed  bool   `json:"passed"`
	Message string `json:"message"`
}

// SelfTest returns what an application lacks before anybody can log on to it.
func (m *Application) SelfTest(r *http.Request, args *object.DeleteArgs, plan *dispatch.Plan) error {
	c := dispatch.CallFrom(r.Context())
	one, err := args.Lookup(m.Type)
	if err != nil {
		return err
	}
	plan.View = func(tx store.ReadTx) (any, error) {
		id, err := m.Type.FindSelected(c, tx, one)
		if err != nil {
			return nil, err
		}
		var app model.Application
		if err := tx.Load(&app, id); err != nil {
			return nil, err
		}
		agents, err := tx.Count(&store.Query{Table: object.Types["agent"].Table, Where: []store.Cond{store.HasApplication(id),
			{Column: "status", Op: store.Eq, Value: model.Active}}})
		if err != nil {
			return nil, err
		}
		hasDomain := app.RealmID == nil
		if !hasDomain {
			if hasDomain, err = tx.Exists(store.RealmDomains[0], *app.RealmID); err != nil {
				return nil, err
			}
		}
		steps, err := Steps(tx, id)
		answerable := !wire.NotFound(err)
		if answerable && err != nil {
			return nil, err
		}
		for i := range steps {
			_, codes, _ := model.NextStep(steps, i)
			answerable = answerable && len(codes) > 0
		}
		test := func(name string, passed bool, otherwise string) tested {
			if passed {
				otherwise = "Passed"
			}
			return tested{name, passed, otherwise}
		}
		return selfTested{[]tested{test("agent", agents > 0, "no active agent has it"), test("realm", hasDomain, "its realm has no domain"),
			test("logonProcedure", answerable, "its procedure has no step, or a step that nothing passes")}}, nil
	}
	return nil
}
