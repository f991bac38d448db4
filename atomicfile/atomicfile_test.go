package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func only(t *testing.T, folder, name, content string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v: want %s alone", entries, err, name)
	}
	if got, err := os.ReadFile(filepath.Join(folder, name)); string(got) != content {
		t.Errorf("%q, %v; want %q", got, err, content)
	}
}

func TestWrite(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "x")
	if err := Write(path, []byte("one"), false); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("two"), false); !errors.Is(err, ErrExists) {
		t.Errorf("second write: %v", err)
	}
	only(t, folder, "x", "one")
	if err := Write(path, []byte("three"), true); err != nil {
		t.Error(err)
	}
	only(t, folder, "x", "three")
}

// TestAppearsMeanwhile: a file that another process made is kept.
func TestAppearsMeanwhile(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "x")
	f, err := Create(path, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("theirs"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); !errors.Is(err, ErrExists) {
		t.Errorf("commit: %v", err)
	}
	f.Close()
	only(t, folder, "x", "theirs")
}

func TestDiscard(t *testing.T) {
	folder := t.TempDir()
	f, err := Create(filepath.Join(folder, "x"), true)
	if err != nil {
		t.Fatal(err)
	}
	f.Write([]byte("half"))
	for range 2 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if entries, _ := os.ReadDir(folder); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
	if _, err := Create(filepath.Join(folder, "no such folder", "x"), false); err == nil {
		t.Error("a file in no folder")
	}
}

// TestIrregular: what is no file is never replaced, and a message names the file that was
// asked for, not the temporary one.
func TestIrregular(t *testing.T) {
	folder := t.TempDir()
	inner := filepath.Join(folder, "inner")
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, overwrite := range []bool{false, true} {
		if err := Check(inner, overwrite); !errors.Is(err, ErrIrregular) || !errors.Is(err, ErrExists) {
			t.Errorf("a folder, overwrite %v: %v", overwrite, err)
		}
		if err := Check(os.DevNull, overwrite); !errors.Is(err, ErrIrregular) {
			t.Errorf("a device, overwrite %v: %v", overwrite, err)
		}
	}
	absent := filepath.Join(folder, "no such folder", "x")
	if err := Check(absent, true); !errors.Is(err, os.ErrNotExist) || err.Error() != "open "+absent+": no such file or directory" {
		t.Errorf("a file in no folder: %v", err)
	}
	if err := Check(filepath.Join(folder, "x"), false); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestSentEarly: a large file is on its way to the disk before Commit, and what goes wrong
// there is told by Commit, and leaves nothing.
func TestSentEarly(t *testing.T) {
	for _, failed := range []error{nil, errors.New("the disk is on fire")} {
		folder := t.TempDir()
		path := filepath.Join(folder, "x")
		f, err := Create(path, false)
		if err != nil {
			t.Fatal(err)
		}
		part := make([]byte, syncEvery/4)
		for i := range 9 {
			if _, err := f.WriteAt(part, int64(i*len(part))); err != nil {
				t.Fatal(err)
			}
			if i == 4 {
				f.early.Wait()
			}
		}
		if f.early.Wait(); f.failed != nil || f.unsynced.Load() > 6*syncEvery/4 {
			t.Errorf("%d bytes not sent, %v", f.unsynced.Load(), f.failed)
		}
		f.failed = failed
		if err := f.Commit(); !errors.Is(err, failed) {
			t.Errorf("commit: %v, want %v", err, failed)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if info, err := os.Stat(path); (err == nil) != (failed == nil) || err == nil && info.Size() != 9*syncEvery/4 {
			t.Errorf("%v, %v", info, err)
		}
		if entries, _ := os.ReadDir(folder); failed != nil && len(entries) != 0 {
			t.Errorf("left behind: %v", entries)
		}
	}
}
