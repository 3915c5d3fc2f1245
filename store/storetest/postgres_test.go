package storetest_test

import (
	"context"
	"path/filepath"
	"testing"

	"tokensmith/store"
	"tokensmith/store/storetest"
)

func TestEachIsNewAndApart(t *testing.T) {
	t.Parallel()
	for range 4 {
		storetest.Each(t, func(t *testing.T, url string) {
			s, err := store.Open(context.Background(), url, filepath.Join(t.TempDir(), "key"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
		})
	}
}
