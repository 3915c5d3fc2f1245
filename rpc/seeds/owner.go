package seeds

import (
	"slices"
	"strconv"
	"strings"

	"tokensmith/model"
	"tokensmith/rpc/token"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// claims returns the assignments for the users in the file. wanted are the rows that have a token; known are the existing tokens
// of some of these rows. A user is found by name or e-mail address (UsersNamed in package store). If there is none, or there are
// several, the row is refused.
func (im *importing) claims(tx store.ReadTx, wanted []int, known map[int]model.Token, bad *wire.RowErrors) ([]model.Assignment, error) {
	var folded, ids []string
	for _, i := range wanted {
		if im.rows[i].user == "" {
			continue
		}
		folded = append(folded, model.Fold(im.rows[i].user))
		if t, ok := known[i]; ok {
			ids = append(ids, t.ID)
		}
	}
	users, err := tx.UsersNamed(slices.Compact(slices.Sorted(slices.Values(folded))))
	if err != nil {
		return nil, err
	}
	held, err := tx.AssignmentsOfTokens(ids)
	if err != nil {
		return nil, err
	}
	var made []model.Assignment
	pending := map[[2]string]int64{} // by user id and product id
	for _, i := range wanted {
		row, t := &im.rows[i], &im.tokens[i]
		if row.user == "" {
			continue
		}
		if old, ok := known[i]; ok {
			t = &old
		}
		fit := users[model.Fold(row.user)]
		if len(fit) != 1 {
			reason := "no user is " + shownUser(row.user)
			if len(fit) > 1 {
				reason = "several users are " + shownUser(row.user)
			}
			bad.Add(row.line, t.Serial, "%s", reason)
			continue
		}
		if has(held[t.ID], fit[0]) {
			continue
		}
		a := model.Assignment{ID: im.c.NewID(), TokenID: t.ID, UserID: fit[0], IsOwner: !token.Owned(held[t.ID]), DateCreated: im.c.Now, LastUpdated: im.c.Now}
		counted := [2]string{a.UserID, row.to.product.ID}
		if err := token.Admit(im.c, tx, &a, t, &row.to.product, held[t.ID], pending[counted]); err != nil {
			e := wire.ClientError(err)
			if e.Kind == model.Internal || e.Kind == model.Unavailable {
				return nil, err
			}
			bad.Add(row.line, t.Serial, "%s", strings.TrimPrefix(e.Msg, "attrs.user: "))
			continue
		}
		pending[counted]++
		made = append(made, a)
	}
	return made, nil
}

func has(held []model.Assignment, userID string) bool {
	for _, a := range held {
		if a.UserID == userID {
			return true
		}
	}
	return false
}

// shownUser returns a quoted user name from the file. A long one that is not an address may be a seed in the wrong column, and is
// not shown.
func shownUser(name string) string {
	if (len(name) <= 20 || len(name) <= 100 && strings.Contains(name, "@")) && !model.Hidden(name) {
		return strconv.Quote(name)
	}
	return "the one named in the file (" + strconv.Itoa(len(name)) + " bytes)"
}
