// Package chromiumtest gives tests a real browser.
package chromiumtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// names are what the browser is called, in the order they are tried; BIGGAN_CHROMIUM is first.
var names = []string{"chromium", "chromium-browser", "google-chrome", "chrome"}

// Tab is a tab of a browser of its own, with an empty profile. It records what a page should not do.
type Tab struct {
	context.Context

	mu        sync.Mutex
	addresses []string
	problems  []string
}

// Open starts a browser for one test. Without one the test is skipped, unless BIGGAN_CI is set.
func Open(t *testing.T) *Tab {
	t.Helper()
	path := find()
	if path == "" {
		if os.Getenv("BIGGAN_CI") != "" {
			t.Fatalf("no browser: none of %v is on the path, and BIGGAN_CHROMIUM names none", names)
		}
		t.Skipf("no browser: none of %v is on the path", names)
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.WindowSize(1280, 900), chromedp.UserDataDir(t.TempDir()))
	if os.Geteuid() == 0 { // as in containers, where Chromium's sandbox refuses to start
		options = append(options, chromedp.NoSandbox)
	}
	timed, stop := context.WithTimeout(context.Background(), 5*time.Minute)
	allocator, free := chromedp.NewExecAllocator(timed, options...)
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithErrorf(func(format string, args ...any) {
		if !strings.HasPrefix(format, "unhandled ") { // events younger than the library
			t.Logf(format, args...)
		}
	}))
	tab := &Tab{Context: ctx}
	chromedp.ListenTarget(ctx, tab.note)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil && ctx.Err() == nil {
			t.Errorf("ending the browser: %v", err)
		}
		cancel()
		free()
		stop()
	})
	if err := chromedp.Run(ctx, network.Enable(), log.Enable(), runtime.Enable()); err != nil {
		t.Fatalf("%s does not start: %v", path, err)
	}
	return tab
}

func find() string {
	for _, name := range append([]string{os.Getenv("BIGGAN_CHROMIUM")}, names...) {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func (t *Tab) note(event any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		t.addresses = append(t.addresses, e.Request.URL)
	case *runtime.EventExceptionThrown:
		t.problems = append(t.problems, e.ExceptionDetails.Error())
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning {
			t.problems = append(t.problems, fmt.Sprintf("%s: %s", e.Entry.Source, e.Entry.Text))
		}
	}
}

// Forget begins the record anew.
func (t *Tab) Forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.addresses, t.problems = nil, nil
}

// Problems are the exceptions, errors and warnings so far.
func (t *Tab) Problems() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.problems)
}

// Strangers are the addresses so far that were asked and begin with none of the prefixes.
func (t *Tab) Strangers(prefixes ...string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []string
	for _, address := range t.addresses {
		if !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(address, p) }) {
			all = append(all, address)
		}
	}
	return all
}

// Do runs actions in the tab.
func (t *Tab) Do(test *testing.T, actions ...chromedp.Action) {
	test.Helper()
	if err := chromedp.Run(t.Context, actions...); err != nil {
		test.Fatal(err)
	}
}

// Value is what an expression of JavaScript gives; promises are waited for.
func Value[T any](test *testing.T, t *Tab, expression string) T {
	test.Helper()
	var v T
	t.Do(test, chromedp.Evaluate(expression, &v, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	return v
}

// Until waits until an expression is true, at most 30 s. Between two pages there is nothing to ask: that counts as not yet.
func (t *Tab) Until(test *testing.T, expression string) {
	test.Helper()
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		var done bool
		if err = chromedp.Run(t.Context, chromedp.Evaluate("!!("+expression+")", &done)); done {
			return
		}
		if t.Err() != nil {
			break
		}
	}
	test.Fatalf("waited in vain for %s: %v", expression, err)
}
