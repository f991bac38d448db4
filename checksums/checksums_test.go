package checksums

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"reflect"
	"strings"
	"testing"
)

const good = "5900ef4065047e3aa0d1b66197b7f2664dceb59b27080e414ad57e203c485bc5"

func TestPins(t *testing.T) {
	entries, err := Pins()
	if err != nil || len(entries) == 0 {
		t.Fatalf("%d pins, %v", len(entries), err)
	}
	pin, err := Pin("biggan-deep-256", "biggan-deep-256-pytorch_model.bin")
	if err != nil || pin.String() != good {
		t.Errorf("pin %v, %v", pin, err)
	}
	if none, err := Pin("biggan-deep-256", "no.bin"); err != nil || none.Known() {
		t.Errorf("a pin of nothing: %v, %v", none, err)
	}
}

func TestDigest(t *testing.T) {
	for _, bad := range []string{
		"", "ab", good[:63], good + "0", strings.ToUpper(good), good[:60] + "../x", good[:63] + "\x00", good[:62] + "é", " " + good[:63],
	} {
		if d, err := ParseDigest(bad); !errors.Is(err, ErrSyntax) || d.Known() {
			t.Errorf("%q: %v, %v", bad, d, err)
		}
	}
	d, err := Of(sha256.New())
	if err != nil || d.String() != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" || d.Short() != "e3b0c44298fc" {
		t.Errorf("digest of nothing %v, %v", d, err)
	}
	var back Digest
	text, _ := d.MarshalText()
	if err := back.UnmarshalText(text); err != nil || back != d {
		t.Errorf("%v, %v", back, err)
	}
	if err := back.UnmarshalText([]byte("../../etc/passwd")); err == nil || back.Known() {
		t.Errorf("%v, %v", back, err)
	}
	if err := back.UnmarshalText(nil); err != nil || back.Known() {
		t.Errorf("%v, %v", back, err)
	}
}

func TestParse(t *testing.T) {
	list := "# a comment\n\n" + good + "  biggan-128/1.tar.gz\n" + good + " *biggan-128/G_ema.pth\n"
	entries, err := Parse(strings.NewReader(list))
	if err != nil || len(entries) != 2 || entries[1].File != "G_ema.pth" {
		t.Fatalf("%v, %v", entries, err)
	}
	var b bytes.Buffer
	if err := Write(&b, entries); err != nil {
		t.Fatal(err)
	}
	if back, err := Parse(&b); err != nil || !reflect.DeepEqual(back, entries) {
		t.Errorf("%v, %v", back, err)
	}
}

// TestNamesAsPaths: nothing that a file system could read as another place is a name.
func TestNamesAsPaths(t *testing.T) {
	for _, bad := range []string{
		good, good + "  ", good + "  biggan-128", good + " biggan-128/x.bin", good + "  biggan-128/", good + "  /etc/passwd",
		good + "  ../x.bin", good + "  biggan-128/../../x", good + "  biggan-128/..", good + "  biggan-128/.ssh", good + "  ./x.bin",
		good + "  biggan-128/a/b", good + "  biggan-128/a\\b", good + "  biggan-128/a\x00b", good + "  biggan-128/C:x", good + "  BigGAN/x.bin",
		good + "  biggan-128/a..b", good + "  biggan-128/-rf", good + "  biggan-128/x.", good + "  biggan-128/" + strings.Repeat("a", 129),
		good[:40] + "  biggan-128/x.bin", good + "  biggan-128/x\r.bin", good + "  biggan-128/x y", good + "  biggan-128/\u202ex",
		good + "  biggan-128/x.bin\n" + good + "  biggan-128/x.bin", strings.Repeat("a", 1<<20),
	} {
		if entries, err := Parse(strings.NewReader(bad)); !errors.Is(err, ErrSyntax) {
			t.Errorf("%.100q: %v, %v", bad, entries, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good + "  biggan-128/1.tar.gz\n# x\n"))
	f.Add([]byte(good + " *biggan-128/../x"))
	f.Add([]byte("ab  c/d"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := Parse(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, e := range entries {
			if strings.ContainsAny(e.Model+e.File, "/\\\x00") || strings.Contains(e.File, "..") || !e.Digest.Known() {
				t.Errorf("%q", e)
			}
		}
		var b bytes.Buffer
		if err := Write(&b, entries); err != nil {
			t.Fatal(err)
		}
		if back, err := Parse(&b); err != nil || !reflect.DeepEqual(back, entries) {
			t.Errorf("%v, %v", back, err)
		}
	})
}
