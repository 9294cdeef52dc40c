//! Threads that answer clients ask the scheduler for a short time slice.
//!
//! Linux picks the thread whose virtual deadline comes first (EEVDF), and a deadline is as far away as the slice is long that a
//! thread asks for. Who asks for a short one runs sooner after it wakes, and may be interrupted sooner; it does not get more
//! of the processor than others. That is what a broker needs beside busy neighbours: it wakes often, and for a moment.
//!
//! Since Linux 6.12 a thread asks by `sched_setattr(2)` with `sched_runtime`, without a privilege. Before, the field means nothing
//! for ordinary threads.

use std::io;

/// The shortest that the kernel takes. Nanoseconds.
const SLICE_NS: u64 = 100_000;

/// Asks for a short slice for this thread, and those it will start. Where that is not to be had, things stay as they are.
pub fn ask_for_a_short_one() {
    if let Err(why) = shorten(SLICE_NS) {
        tracing::debug!(%why, "no shorter time slice for this thread");
    }
}

/// Leaves threads alone that run under another policy: somebody has chosen it for them.
fn shorten(slice_ns: u64) -> io::Result<()> {
    let mut attributes = attributes()?;
    if attributes.sched_policy == libc::SCHED_OTHER as u32 {
        attributes.sched_runtime = slice_ns;
        set(&attributes)?;
    }
    Ok(())
}

/// Of the calling thread.
#[expect(unsafe_code, reason = "no library calls `sched_getattr` safely")]
fn attributes() -> io::Result<libc::sched_attr> {
    let size = size_of::<libc::sched_attr>() as libc::c_uint;
    let mut found = libc::sched_attr {
        size,
        sched_policy: 0,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the kernel writes at most `size` bytes to `found`, which has so many and holds only integers. Thread 0 is the
    // calling one. The arguments have the types of the system call.
    let result = unsafe {
        libc::syscall(libc::SYS_sched_getattr, 0 as libc::pid_t, &raw mut found, size, 0 as libc::c_uint)
    };
    if result == 0 { Ok(found) } else { Err(io::Error::last_os_error()) }
}

#[expect(unsafe_code, reason = "no library calls `sched_setattr` safely")]
fn set(attributes: &libc::sched_attr) -> io::Result<()> {
    // SAFETY: the kernel reads `attributes.size` bytes, which is what it said itself, or what the structure has, whichever is less.
    // Thread 0 is the calling one. The arguments have the types of the system call.
    let result = unsafe {
        libc::syscall(libc::SYS_sched_setattr, 0 as libc::pid_t, &raw const *attributes, 0 as libc::c_uint)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a thread of its own has when `work` is done.
    fn after(work: impl FnOnce() + Send + 'static) -> libc::sched_attr {
        let thread = std::thread::spawn(|| {
            work();
            attributes().expect("attributes")
        });
        thread.join().expect("thread")
    }

    fn change(change: impl FnOnce(&mut libc::sched_attr)) {
        let mut attributes = attributes().expect("attributes");
        change(&mut attributes);
        set(&attributes).expect("set");
    }

    #[test]
    fn a_thread_asks_for_itself_and_stays_as_nice_as_it_is() {
        let before = attributes().expect("attributes");
        let nice = (before.sched_nice + 1).min(19);
        let asked = after(move || {
            change(|attributes| attributes.sched_nice = nice);
            ask_for_a_short_one();
        });
        // Kernels before 6.12 say and take nothing here.
        assert!(asked.sched_runtime == SLICE_NS || before.sched_runtime == 0, "{}", asked.sched_runtime);
        assert_eq!((asked.sched_policy, asked.sched_nice), (before.sched_policy, nice));
        assert_eq!(attributes().expect("attributes").sched_runtime, before.sched_runtime);
    }

    #[test]
    fn another_policy_is_left_alone() {
        let batch = after(|| {
            change(|attributes| attributes.sched_policy = libc::SCHED_BATCH as u32);
            ask_for_a_short_one();
        });
        assert_eq!(batch.sched_policy, libc::SCHED_BATCH as u32);
        assert_ne!(batch.sched_runtime, SLICE_NS);
    }

    #[test]
    fn what_the_kernel_refuses_is_an_error() {
        let refused = std::thread::spawn(|| {
            let mut attributes = attributes().expect("attributes");
            attributes.sched_policy = 99;
            set(&attributes)
        });
        assert!(refused.join().expect("thread").is_err());
    }
}
