package admin

import (
	"net/http"
	"slices"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/logon"
	"tokensmith/rpc/object"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// ListArgs are the parameters of agent/listApplications.
type ListArgs struct {
	Return wire.Return `json:"return"`
}

// ListApplications returns the calling agent's applications.
func (m *Agent) ListApplications(r *http.Request, args *ListArgs, plan *dispatch.Plan) error {
	c := dispatch.CallFrom(r.Context())
	if err := logon.ApplicationType.OwnOnly(args.Return); err != nil {
		return err
	}
	p, err := logon.ApplicationType.Project(c, args.Return.Or(wire.ReturnNames("id", "name")), "return")
	if err != nil {
		return err
	}
	ids := []any{}
	for _, id := range c.Agent.Applications.Items() {
		ids = append(ids, id)
	}
	q := store.Query{Table: logon.ApplicationType.Table, Where: []store.Cond{store.ByIDs(ids)}, Sort: []store.Sort{{Column: store.IDColumn}}, Limit: object.MaxSearch}
	plan.View = func(tx store.ReadTx) (any, error) {
		return object.CRUD{Server: m.Server, Type: logon.ApplicationType}.PageOf(tx, p, q, &object.SearchArgs{}, "")
	}
	return nil
}

// ApplicationArgs are the parameters of agent/addApplication and agent/removeApplication.
type ApplicationArgs struct{ object.Selection }

// AddApplication gives an agent an application, if it does not have it.
func (m *Agent) AddApplication(r *http.Request, args *ApplicationArgs, plan *dispatch.Plan) error {
	return m.changeApplications(r, args, plan, func(ids []string, id string) []string {
		if slices.Contains(ids, id) {
			return ids
		}
		return append(ids, id)
	})
}

// RemoveApplication takes an application from an agent, if it has it.
func (m *Agent) RemoveApplication(r *http.Request, args *ApplicationArgs, plan *dispatch.Plan) error {
	return m.changeApplications(r, args, plan, func(ids []string, id string) []string {
		return slices.DeleteFunc(ids, func(other string) bool { return other == id })
	})
}

// changeApplications sets a plan that changes the ids of an agent's applications. An agent may not change its own, unless it may
// change agents.
func (m *Agent) changeApplications(r *http.Request, args *ApplicationArgs, plan *dispatch.Plan, change func(ids []string, id string) []string) error {
	named, err := args.Selector("application", logon.ApplicationType, true)
	if err != nil {
		return err
	}
	return m.UpdateSelected(r, &args.Selection, plan, func(c *dispatch.Call, tx store.Tx, agentID string) (any, error) {
		var a model.Agent
		if err := tx.Load(&a, agentID); err != nil {
			return nil, err
		}
		if err := mayManage(c, &a); err != nil {
			return nil, err
		}
		if agentID == c.Agent.ID {
			if err := c.Need("agent/set"); err != nil {
				return nil, err
			}
		}
		id, err := logon.ApplicationType.FindSelected(c, tx, object.BySelector(named))
		if err != nil {
			return nil, err
		}
		was := a
		ids := change(a.Applications.Items(), id)
		a.Applications = model.ListOf(ids)
		if err := holds(c, &a, ""); err != nil {
			return nil, err
		}
		if err := keepAgent(tx, &was, &a); err != nil {
			return nil, err
		}
		c.SetObject(m.Type.Noun, agentID)
		if err := tx.Relate(store.AgentApplications[0], store.AgentApplications[1], agentID, ids); err != nil {
			return nil, err
		}
		return nil, tx.Save(&a)
	})
}
