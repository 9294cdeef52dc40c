//! The live screen: the terminal, its keys, and looks at the cluster while it is shown.

use std::pin::Pin;
use std::time::Duration;

use ottla_client::Admin;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::draw::draw;
use super::gather;
use super::keys::{Input, input};
use super::model::{Model, Reaction};
use super::sample::Sample;
use crate::Failure;

/// How long the thread that reads keys waits for one before it looks whether it is still wanted.
const KEYS_POLL: Duration = Duration::from_millis(200);

/// Keys that wait to be heard; the terminal keeps what comes beyond.
const INPUTS_MAX: usize = 64;

/// A look that is under way.
type Looking<'a> = Pin<Box<dyn Future<Output = Result<Sample, ottla_client::Error>> + 'a>>;

/// Shows the model until the user quits.
///
/// # Errors
/// When the terminal can't be drawn on or read from.
pub async fn show(admin: &Admin, model: &mut Model, timeout: Duration) -> Result<(), Failure> {
    let failed = |why: std::io::Error| Failure::message(format!("The terminal can't be used: {why}"));
    let mut terminal = ratatui::try_init().map_err(failed)?;
    let shown = run(admin, model, timeout, &mut terminal).await;
    ratatui::restore();
    shown.map_err(failed)
}

async fn run(
    admin: &Admin,
    model: &mut Model,
    timeout: Duration,
    terminal: &mut DefaultTerminal,
) -> std::io::Result<()> {
    let mut inputs = read_keys();
    let look = || -> Looking<'_> { Box::pin(gather::look(admin, Some(timeout))) };
    let mut looking: Option<Looking<'_>> = Some(look());
    let mut next = Instant::now();
    loop {
        terminal.draw(|frame| draw(model, frame.area(), frame.buffer_mut()))?;
        let interval = Duration::from_millis(model.interval_ms);
        tokio::select! {
            told = inputs.recv() => match told {
                Some(Ok(Input::Key(key))) => match model.on_key(key) {
                    Reaction::Quit => return Ok(()),
                    Reaction::Look => next = Instant::now(),
                    Reaction::Draw => {}
                },
                Some(Ok(Input::Resized)) => {}
                Some(Err(why)) => return Err(why),
                // Nobody can quit any more.
                None => return Ok(()),
            },
            found = finished(&mut looking) => {
                looking = None;
                next = Instant::now() + interval;
                model.looked(found.map_err(|why| why.to_string()));
            }
            () = tokio::time::sleep_until(next), if looking.is_none() && !model.is_paused => {
                looking = Some(look());
            }
        }
    }
}

/// The end of a look; never, while there is none.
async fn finished(looking: &mut Option<Looking<'_>>) -> Result<Sample, ottla_client::Error> {
    match looking {
        Some(looking) => looking.await,
        None => std::future::pending().await,
    }
}

/// Reads the terminal on a thread of its own until nobody listens.
fn read_keys() -> mpsc::Receiver<std::io::Result<Input>> {
    let (sender, receiver) = mpsc::channel(INPUTS_MAX);
    std::thread::spawn(move || {
        while !sender.is_closed() {
            let event = match event::poll(KEYS_POLL) {
                Ok(false) => continue,
                Ok(true) => event::read(),
                Err(why) => Err(why),
            };
            let told = match event {
                Ok(event) => match input(&event) {
                    Some(input) => Ok(input),
                    None => continue,
                },
                Err(why) => Err(why),
            };
            let is_over = told.is_err();
            if sender.blocking_send(told).is_err() || is_over {
                return;
            }
        }
    });
    receiver
}
