//! Paints the view. Every size is legal, one cell as well; nothing of an attacker's reaches the terminal unprinted.

use super::view::{Link, List, Over, Sort, View, Wish};
use crate::ask::table::{ago, cut, grouped, left, shown};
use guard::Time;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Clear, Paragraph, Row, Sparkline, Table, TableState};

/// Paints all of it.
pub(super) fn draw(view: &View, now: Time, frame: &mut Frame) {
    let head = head(view, now);
    let rows = [
        Constraint::Length(u16::try_from(head.len()).unwrap_or(u16::MAX)),
        Constraint::Length(2),
        Constraint::Fill(1),
        Constraint::Length(1),
    ];
    let [top, rates, lists, foot] = Layout::vertical(rows).areas(frame.area());
    frame.render_widget(Paragraph::new(head), top);
    draw_rates(view, frame, rates);
    let [bans, attackers] = match lists.width >= SIDE_BY_SIDE {
        true => Layout::horizontal([Constraint::Percentage(58), Constraint::Percentage(42)]).areas(lists),
        false => Layout::vertical([Constraint::Percentage(55), Constraint::Percentage(45)]).areas(lists),
    };
    draw_bans(view, now, frame, bans);
    draw_attackers(view, now, frame, attackers);
    frame.render_widget(Paragraph::new(foot_line(view)), foot);
    match &view.over {
        None => {}
        Some(Over::Help) => draw_over("help", HELP, 0, frame),
        Some(Over::Text(text, top)) => draw_over("why", text, *top, frame),
        Some(Over::Confirm(wish)) => {
            let question = match wish {
                Wish::Ban(target) => format!("Ban {target} for security.block_duration?"),
                Wish::Unban(target) => format!("Lift the bans of {target} and of all within it?"),
                Wish::Quit | Wish::Why(_) => String::new(),
            };
            draw_over("sure?", &format!("{}\n\ny: yes, any other key: no", shown(&question)), 0, frame);
        }
    }
}

/// The lines at the top: the daemon, its switches, bans and kernel, decisions, queues, alarms.
fn head(view: &View, now: Time) -> Vec<Line<'static>> {
    let (bad, good) = (paint(view, Color::Red), paint(view, Color::Green));
    let state = match &view.link {
        Link::Connecting => Span::raw("connecting"),
        Link::Live if view.paused => Span::styled("PAUSED", paint(view, Color::Yellow)),
        Link::Live => Span::styled("live", good),
        Link::Lost(reason) => Span::styled(format!("NO CONNECTION, trying again: {}", shown(reason)), bad),
    };
    let mut first = vec![Span::styled("switchward ", Style::new().add_modifier(Modifier::BOLD))];
    let Some(overview) = &view.overview else {
        first.extend([Span::raw(format!("{} ", shown(&view.url))), state]);
        return vec![Line::from(first)];
    };
    let mode = match (overview.enabled, overview.auto_block, overview.dry_run) {
        (false, ..) => Span::styled("GUARD OFF", bad),
        (_, false, _) => Span::styled("BANS NOBODY", bad),
        (_, _, true) => Span::styled("DRY RUN", bad),
        _ => Span::styled("guarding", good),
    };
    first.push(Span::raw(format!("{} up {}  ", shown(&overview.version), shown(&overview.uptime))));
    first.extend([mode, Span::raw("  "), state]);
    let mut lines = vec![Line::from(first)];
    for switch in overview.switches.iter().take(MOST_SWITCHES) {
        let heard = switch.last_event.as_deref().map_or_else(|| "nothing yet".into(), |last| ago(last, now));
        let name = cut(&shown(&switch.name), 24);
        lines.push(match switch.connected {
            true => Line::from(format!(
                "switch  {name} connected, heard {heard}, {} events",
                grouped(switch.events)
            )),
            false => {
                let trouble = shown(switch.trouble.as_deref().unwrap_or("not reached yet"));
                Line::styled(format!("switch  {name} NOT CONNECTED: {trouble}"), bad)
            }
        });
    }
    if overview.switches.len() > MOST_SWITCHES {
        lines.push(Line::from(format!("        and {} more", overview.switches.len() - MOST_SWITCHES)));
    }
    lines.push(kernel_line(view, overview, bad));
    let counts = &overview.counts;
    lines.push(Line::from(format!(
        "decided {} bans by rules, {} spared, {} would ban, {} hang-ups, {} alerts; {} failed, {} abandoned",
        grouped(counts.bans_forgeable + counts.bans_likely + counts.bans_proven),
        grouped(counts.spared),
        grouped(counts.would_ban),
        grouped(counts.hang_ups),
        grouped(counts.alerts),
        grouped(counts.failed),
        grouped(counts.wrong_call_states),
    )));
    let queues: Vec<String> = view
        .channels
        .values()
        .map(|queue| {
            let most =
                queue.high_water_mark.map(|most| format!(" (most {})", grouped(most))).unwrap_or_default();
            format!("{} {}{most}", cut(&shown(&queue.name), 20), grouped(queue.length))
        })
        .collect();
    lines.push(Line::from(format!("queues  {}", queues.join(", "))));
    for ((name, subject), text) in view.alarms.iter().take(MOST_ALARMS) {
        lines.push(Line::styled(format!("ALARM   {name} {subject} {text}"), bad));
    }
    if view.alarms.len() > MOST_ALARMS {
        lines.push(Line::styled(format!("        and {} more alarms", view.alarms.len() - MOST_ALARMS), bad));
    }
    lines
}

/// What the ledger has beside what the kernel has.
fn kernel_line(view: &View, overview: &crate::http::overview::Overview, bad: Style) -> Line<'static> {
    let counters = view.counters.as_ref();
    let ledger = counters.map_or(overview.ledger.bans as u64, |counters| counters.bans);
    let allows = counters.map_or(overview.ledger.allows as u64, |counters| counters.allows);
    let kernel = counters.map_or(overview.firewall.bans_in_kernel, |counters| counters.bans_in_kernel);
    let text = format!("bans    {} in the ledger, {} allowed; ", grouped(ledger), grouped(allows));
    let held = match (overview.firewall.enforcing, kernel) {
        (false, _) => Span::styled("NOT ENFORCED in the kernel", bad),
        (true, None) => Span::styled("kernel UNKNOWN", bad),
        (true, Some(held)) if held < ledger && view.is_missing() => {
            Span::styled(format!("{} in the kernel, {} MISSING", grouped(held), grouped(ledger - held)), bad)
        }
        (true, Some(held)) => Span::raw(format!("{} in the kernel", grouped(held))),
    };
    Line::from(vec![Span::raw(text), held])
}

fn draw_rates(view: &View, frame: &mut Frame, area: Rect) {
    let now = view.rates.back().copied().unwrap_or(0);
    let most = view.rates.iter().max().copied().unwrap_or(0);
    let [label, line] = Layout::horizontal([Constraint::Length(22), Constraint::Fill(1)]).areas(area);
    let text = format!("events  {}/s\n        most {}/s", grouped(now), grouped(most));
    frame.render_widget(Paragraph::new(text), label);
    let shown = usize::from(line.width).min(view.rates.len());
    let newest: Vec<u64> = view.rates.iter().skip(view.rates.len() - shown).copied().collect();
    frame.render_widget(Sparkline::default().data(&newest).style(paint(view, Color::Cyan)), line);
}

fn draw_bans(view: &View, now: Time, frame: &mut Frame, area: Rect) {
    let visible = usize::from(area.height);
    // Only what can be seen is made; the selection decides where that is.
    let from = if view.list == List::Bans { view.selected.saturating_sub(visible) } else { 0 };
    let rows = view.bans.iter().skip(from).take(2 * visible).map(|ban| {
        let left = left(ban.until.as_deref().unwrap_or_default(), ban.until.is_none(), now);
        Row::new([
            Cell::from(shown(&ban.target)),
            Cell::from(left),
            Cell::from(cut(&shown(&ban.rule), 20)),
            Cell::from(shown(&ban.evidence)),
            Cell::from(cut(&shown(&ban.reason), 120)),
        ])
    });
    let widths = [
        Constraint::Length(22),
        Constraint::Length(12),
        Constraint::Length(15),
        Constraint::Length(9),
        Constraint::Fill(1),
    ];
    let header = ["banned", "left", "rule", "evidence", "why"];
    let title = format!("bans, newest first ({})", view.bans.len());
    table(view, List::Bans, (title, header), Table::new(rows, widths), from, frame, area);
}

fn draw_attackers(view: &View, now: Time, frame: &mut Frame, area: Rect) {
    let visible = usize::from(area.height);
    let from = if view.list == List::Attackers { view.selected.saturating_sub(visible) } else { 0 };
    let rows = view.attackers.iter().skip(from).take(2 * visible).map(|attacker| {
        Row::new([
            Cell::from(shown(&attacker.source)),
            Cell::from(attacker.failed.to_string()),
            Cell::from(attacker.abandoned.to_string()),
            Cell::from(ago(&attacker.last, now)),
            Cell::from(cut(&attacker.accounts, 80)),
        ])
    });
    let widths = [
        Constraint::Length(22),
        Constraint::Length(6),
        Constraint::Length(9),
        Constraint::Length(15),
        Constraint::Fill(1),
    ];
    let sort = match view.sort {
        Sort::Count => "most first",
        Sort::Last => "latest first",
        Sort::Source => "by source",
    };
    let header = ["source", "failed", "abandoned", "last", "accounts"];
    let title = format!("attackers, {sort} ({})", view.attackers.len());
    table(view, List::Attackers, (title, header), Table::new(rows, widths), from, frame, area);
}

fn table(
    view: &View,
    list: List,
    (title, header): (String, [&'static str; 5]),
    table: Table<'_>,
    from: usize,
    frame: &mut Frame,
    area: Rect,
) {
    let is_chosen = view.list == list;
    let border = if is_chosen { paint(view, Color::Yellow) } else { Style::new() };
    let mut state = TableState::new();
    if is_chosen && view.length() > 0 {
        state.select(Some(view.selected - from));
    }
    let table = table
        .header(Row::new(header).style(Style::new().add_modifier(Modifier::BOLD)))
        .block(Block::bordered().title(title).border_style(border))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    frame.render_stateful_widget(table, area, &mut state);
}

fn foot_line(view: &View) -> Line<'static> {
    match view.message.as_str() {
        "" => Line::from("q quit  Tab list  Enter why  b ban  u unban  s sort  p pause  ? help"),
        message => Line::styled(cut(message, 400), Style::new().add_modifier(Modifier::BOLD)),
    }
}

fn draw_over(title: &str, text: &str, top: usize, frame: &mut Frame) {
    let all = frame.area();
    let height = u16::try_from(text.lines().count() + 2).unwrap_or(u16::MAX).min(all.height);
    let width = u16::try_from(text.lines().map(|line| line.chars().count()).max().unwrap_or(0) + 2)
        .unwrap_or(u16::MAX)
        .clamp(20, 100)
        .min(all.width);
    let area = Rect::new((all.width - width) / 2, (all.height - height) / 2, width, height);
    frame.render_widget(Clear, area);
    let paragraph = Paragraph::new(text.to_owned())
        .block(Block::bordered().title(title.to_owned()))
        .scroll((u16::try_from(top).unwrap_or(u16::MAX), 0))
        .wrap(ratatui::widgets::Wrap { trim: false });
    frame.render_widget(paragraph, area);
}

fn paint(view: &View, colour: Color) -> Style {
    match view.colours {
        true => Style::new().fg(colour),
        false => Style::new(),
    }
}

const HELP: &str = "\
Tab           the other list
arrows, j k   one line
PgUp PgDn     ten lines, Home and End the ends
Enter         why the selected source is banned or is not
b, u          ban it, lift its bans (asks first)
s             sort the attackers
p             pause
q, Esc        quit";
/// From this width on the lists stand beside one another.
const SIDE_BY_SIDE: u16 = 150;
const MOST_SWITCHES: usize = 4;
const MOST_ALARMS: usize = 4;
