package rpc

import (
	"slices"

	"tokensmith/model"
	"tokensmith/store"
)

// The last administrator who may do everything, and the last agent that may, cannot be deleted, disabled, or left with less: nobody
// could give that right back, but for whoever holds the database.

// keepAdministrator refuses to make was, the last full administrator, into now; nil = to delete him.
func keepAdministrator(tx store.ReadTx, was, now *model.User) error {
	if !was.Full() || now != nil && now.Full() && (now.Status == model.Active || now.Status == was.Status) {
		return nil
	}
	all, err := tx.Administrators()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(all, func(u model.User) bool { return u.ID != was.ID && u.Full() && u.Status == model.Active }) {
		return nil
	}
	return model.Errorf(model.NotPermitted, "not permitted: this is the last administrator who may do everything; make another one first")
}

// keepAgent refuses to make was, the last agent that may do everything, into now; nil = to delete it.
func keepAgent(tx store.ReadTx, was, now *model.Agent) error {
	if !was.Full() || now != nil && now.Replaces(was) {
		return nil
	}
	others := []store.Cond{{Column: "id", Op: store.Ne, Value: was.ID}, {Column: "permissions", Op: store.Like, Value: "%*%"},
		{Column: "status", Op: store.Eq, Value: model.Active}, {Column: "domains", Op: store.Eq, Value: ""}}
	if was.Addresses == "" { // one that is held to addresses may be shut out by them
		others = append(others, store.Cond{Column: "addresses", Op: store.Eq, Value: ""})
	}
	found, err := tx.Find(&store.Query{Table: "agents", Columns: []store.Column{{Name: "permissions"}}, Limit: 1 << 31, Where: others})
	if err != nil {
		return err
	}
	if slices.ContainsFunc(found, func(row store.Row) bool { return model.List(asText(row[0])).Has("*") }) {
		return nil
	}
	return model.Errorf(model.NotPermitted, "not permitted: this is the last agent that may do everything; make another one first")
}
