package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/biggan-zoo/biggan/zoo/zootest"
)

// slow is a mirror of two models that are no checkpoints and take 2 s to download.
func slow(t *testing.T) *zootest.Server {
	noise := bytes.Repeat([]byte{1, 2, 3, 4}, 1<<20)
	return zootest.New(t, zootest.Manifest(map[string][]byte{
		"biggan-deep-128/pytorch_model.bin": noise, "biggan-deep-256/pytorch_model.bin": noise,
	}), zootest.Faults{Pace: 30 * time.Millisecond})
}

// TestPullInterrupted: Ctrl-C stops a pull at once; what was verified is listed and kept.
func TestPullInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("signals of unix")
	}
	server, store := slow(t), t.TempDir()
	sent := make(chan time.Time, 1)
	go func() {
		for server.Sent() < 1<<20 {
			time.Sleep(10 * time.Millisecond)
		}
		sent <- time.Now()
		syscall.Kill(os.Getpid(), syscall.SIGINT)
	}()
	code, _, stderr := command("pull", "biggan-deep-128", "--mirror", server.URL, "--store", store)
	if code != exitSignal+int(syscall.SIGINT) || !strings.Contains(stderr, "hint: run the command again: it goes on at") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if d := time.Since(<-sent); d > 5*time.Second { // at once, but on a busy machine
		t.Errorf("took %v to stop", d)
	}
	code, stdout, _ := command("list", "--store", store, "--json")
	if code != exitOK || !strings.Contains(stdout, `"state": "partial"`) || !strings.Contains(stdout, `"verified_bytes"`) {
		t.Errorf("exit code %d, %s", code, stdout)
	}
	if code, stdout, _ := command("list", "--store", store); !strings.Contains(stdout, "here") {
		t.Errorf("exit code %d, %s", code, stdout)
	}
	if code, stdout, stderr := command("prune", "--store", store); code != exitOK || stdout == "" {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
	if left, err := os.ReadDir(store); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestPullProgress: several downloads are told at the same time, in JSON and in lines; what
// is no checkpoint is exit code 4 and leaves nothing.
func TestPullProgress(t *testing.T) {
	server, store := slow(t), t.TempDir()
	code, stdout, stderr := command("pull", "biggan-deep-128", "biggan-deep-256", "--mirror", server.URL, "--store", store, "--progress", "json", "--json")
	if code != exitCorrupt || !strings.Contains(stdout, `"exit_code": 4`) {
		t.Errorf("exit code %d, %s", code, stdout)
	}
	seen := map[string]int64{}
	for line := range strings.Lines(stderr) {
		var p struct {
			Progress       string
			Done, Total    int64
			BytesPerSecond int64 `json:"bytes_per_second"`
			SecondsLeft    int64 `json:"seconds_left"`
		}
		if !strings.HasPrefix(line, "{") {
			continue
		}
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		if p.Done < seen[p.Progress] || p.Done > p.Total || p.BytesPerSecond <= 0 {
			t.Errorf("after %d: %s", seen[p.Progress], line)
		}
		seen[p.Progress] = p.Done
	}
	if len(seen) != 2 {
		t.Errorf("progress of %v, want both downloads; %s", seen, stderr)
	}
	if left, err := os.ReadDir(store); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestPullNoRoom: a disk without room is exit code 8, told before the download.
func TestPullNoRoom(t *testing.T) {
	folder := t.TempDir()
	missing := t.Skipf
	if os.Getenv("BIGGAN_CI") != "" {
		missing = t.Fatalf
	}
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		missing("needs linux and root, to mount a tmpfs")
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder).CombinedOutput(); err != nil {
		missing("cannot mount a tmpfs: %v %s", err, out)
	}
	t.Cleanup(func() { exec.Command("umount", folder).Run() })
	server := slow(t)
	code, _, stderr := command("pull", "biggan-deep-128", "--mirror", server.URL, "--store", filepath.Join(folder, "models"))
	if code != exitNoSpace || !strings.Contains(stderr, "are free") || server.Sent() > 0 {
		t.Errorf("exit code %d, %d bytes sent, %s", code, server.Sent(), stderr)
	}
}
