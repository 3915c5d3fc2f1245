package store

import (
	"bytes"
	"context"
	"slices"

	"tokensmith/model"
	"tokensmith/store/keyring"
)

// metaSeeds is the meta row that says how the existing seeds were hashed. seedsNormal means: as seedDigest does now.
const metaSeeds, seedsNormal = "seeds", "2"

// indexSeeds makes the hashes of tokens that have none yet, or whose hash an older version made in another way, and groups the
// tokens. It may be interrupted, and several processes may run it at the same time.
func (s *sqlStore) indexSeeds(ctx context.Context) error {
	done := false
	err := s.view(ctx, true, func(tx *sqlReadTx) error {
		missing, err := value[int64](tx, "SELECT COUNT(*) FROM (SELECT 1 AS one FROM tokens WHERE seed_index IS NULL LIMIT 1) AS found")
		if err != nil {
			return err
		}
		how, err := tx.Meta(metaSeeds)
		done = missing == 0 && string(how) == seedsNormal
		return err
	})
	if err != nil || done {
		return err
	}
	for after := ""; ; {
		var part, stale []model.Token
		read := func(tx *sqlReadTx) (err error) {
			if part, err = loadAll[model.Token](tx, "id > ? ORDER BY id LIMIT ?", after, maxChunk); err == nil {
				stale, err = tx.staleSeeds(part)
			}
			return err
		}
		err := s.view(ctx, true, read)
		if err == nil && len(stale) > 0 {
			err = s.insist(ctx, func(tx *sqlTx) error {
				if err := read(&tx.sqlReadTx); err != nil {
					return err
				}
				return tx.indexSeeds(stale)
			})
		}
		if err != nil {
			return err
		}
		if len(part) == 0 {
			return s.insist(ctx, func(tx *sqlTx) error { return tx.PutMeta(metaSeeds, []byte(seedsNormal)) })
		}
		after = part[len(part)-1].ID
	}
}

// staleSeeds returns the tokens whose hash is not the hash of their seed, with the right hash set. If a seed cannot be unsealed,
// the hash is empty and matches nothing.
func (tx *sqlReadTx) staleSeeds(tokens []model.Token) (stale []model.Token, err error) {
	keys := tx.store.keys
	for _, t := range tokens {
		indexes := [][]byte{{}}
		if seed, err := keys.Unseal(keyring.Place{Table: "tokens", Column: "seed", Row: t.ID}, t.Seed); err == nil {
			digest, err := tx.seedDigest(seed, t.ProductID)
			if err != nil {
				return nil, err
			}
			indexes = seedIndexes(keys, digest)
		}
		if t.SeedIndex == nil || !slices.ContainsFunc(indexes, func(index []byte) bool { return bytes.Equal(index, t.SeedIndex) }) {
			t.SeedIndex = indexes[0]
			stale = append(stale, t)
		}
	}
	return stale, nil
}

// indexSeeds stores the hashes of tokens and groups the tokens.
func (tx *sqlTx) indexSeeds(stale []model.Token) error {
	var fresh []model.Token
	for _, t := range stale {
		if len(t.SeedIndex) > 0 {
			fresh = append(fresh, t)
		}
		if _, err := tx.execOften("UPDATE tokens SET seed_index = ? WHERE id = ?", t.SeedIndex, t.ID); err != nil {
			return err
		}
	}
	fresh, err := tx.seenSeeds(fresh)
	if err != nil {
		return err
	}
	found, err := tx.sameOTPs(fresh)
	if err != nil {
		return err
	}
	for _, g := range found {
		if len(g.members)+len(g.marks) < 2 || len(g.members) == 0 {
			continue
		}
		if err := tx.join(g); err != nil {
			return err
		}
		if err := tx.raise(g.members, g.use); err != nil { // until now each token had its own state
			return err
		}
	}
	return nil
}
