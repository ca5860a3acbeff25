"""The ordinary version: a small part of the API, as Flask and Flask-SQLAlchemy tutorials write it.

ORM objects for the session, its user and the tasks; ``paginate()`` with its count; ``url_for`` for
each URI; ``jsonify``; itsdangerous' timed serializer for tokens, Werkzeug's hashes for passwords.
It is not slow on purpose: it has an index for the order of the page, and checks little.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from flask import Flask, Response, abort, current_app, g, jsonify, request, url_for
from flask_sqlalchemy import SQLAlchemy
from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from werkzeug.security import check_password_hash


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)
PRIORITIES = ["none", "low", "medium", "high"]


def utc_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


class User(Base):
    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]


class Session(Base):
    __tablename__ = "session"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    user: Mapped[User] = relationship()


class List(Base):
    __tablename__ = "list"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    title: Mapped[str]


class Task(Base):
    __tablename__ = "task"

    id: Mapped[int] = mapped_column(primary_key=True)
    list_id: Mapped[int] = mapped_column(ForeignKey("list.id"))
    title: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    done: Mapped[bool] = mapped_column(default=False)
    due_at: Mapped[datetime | None]
    priority: Mapped[int] = mapped_column(default=0)
    tags: Mapped[str] = mapped_column(default="")
    completed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)
    list: Mapped[List] = relationship()

    __table_args__ = (Index("ix_task_list_id_created_at", "list_id", "created_at"),)

    def to_dict(self) -> dict[str, Any]:
        return {
            "uri": url_for("get_task", task_id=self.id, _external=True),
            "title": self.title,
            "description": self.description,
            "done": self.done,
            "due_at": self.due_at.isoformat() + "Z" if self.due_at else None,
            "priority": PRIORITIES[self.priority],
            "tags": self.tags.split("\n") if self.tags else [],
            "completed_at": self.completed_at.isoformat() + "Z" if self.completed_at else None,
            "created_at": self.created_at.isoformat() + "Z",
            "updated_at": self.updated_at.isoformat() + "Z",
            "list_uri": url_for("get_tasks", list_id=self.list_id, _external=True),
        }


def create_app(database_uri: str, secret_key: str) -> Flask:
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = database_uri
    app.config["SECRET_KEY"] = secret_key
    db.init_app(app)
    app.post("/api/tokens")(sign_in)
    app.get("/api/lists/<int:list_id>/tasks")(get_tasks)
    app.post("/api/lists/<int:list_id>/tasks")(create_task)
    app.get("/api/tasks/<int:task_id>")(get_task)
    app.patch("/api/tasks/<int:task_id>")(update_task)
    return app


def make_token(secret_key: str, session_id: int) -> str:
    return str(URLSafeTimedSerializer(secret_key).dumps({"session": session_id}))


def login_required(view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        serializer = URLSafeTimedSerializer(current_app.config["SECRET_KEY"])
        try:
            payload = serializer.loads(token, max_age=3600)
        except BadSignature:
            abort(401)
        session = db.session.get(Session, payload["session"])
        if session is None:
            abort(401)
        g.user = session.user
        return view(*args, **kwargs)

    return wrapper


def own_list(list_id: int) -> List:
    todo_list = db.session.get(List, list_id)
    if todo_list is None or todo_list.user_id != g.user.id:
        abort(404)
    return todo_list


def own_task(task_id: int) -> Task:
    task = db.session.get(Task, task_id)
    if task is None or task.list.user_id != g.user.id:
        abort(404)
    return task


def sign_in() -> tuple[Response, int]:
    content = request.get_json()
    user = db.session.scalar(db.select(User).filter_by(username=content["username"]))
    if user is None or not check_password_hash(user.password_hash, content["password"]):
        abort(401)
    session = Session(user=user)
    db.session.add(session)
    db.session.commit()
    return jsonify(token=make_token(current_app.config["SECRET_KEY"], session.id)), 201


@login_required
def get_tasks(list_id: int) -> Response:
    todo_list = own_list(list_id)
    page = db.paginate(
        db.select(Task).filter_by(list_id=todo_list.id).order_by(Task.created_at), per_page=25
    )

    def link(number: int | None) -> str | None:
        if number is None:
            return None
        return url_for("get_tasks", list_id=list_id, page=number, _external=True)

    return jsonify(
        tasks=[task.to_dict() for task in page.items],
        total=page.total,
        prev_uri=link(page.prev_num),
        next_uri=link(page.next_num),
    )


@login_required
def create_task(list_id: int) -> tuple[Response, int]:
    todo_list = own_list(list_id)
    content = request.get_json()
    if not content.get("title"):
        abort(400)
    task = Task(list=todo_list, title=content["title"], description=content.get("description", ""))
    db.session.add(task)
    db.session.commit()
    return jsonify(task.to_dict()), 201


@login_required
def get_task(task_id: int) -> Response:
    return jsonify(own_task(task_id).to_dict())


@login_required
def update_task(task_id: int) -> Response:
    task = own_task(task_id)
    content = request.get_json()
    for name in ("title", "description", "done"):
        if name in content:
            setattr(task, name, content[name])
    db.session.commit()
    return jsonify(task.to_dict())


def served() -> Flask:
    """The application of a server process, configured by the environment."""
    return create_app(
        f"sqlite:///{os.environ['BENCHMARK_DATABASE']}", os.environ["BENCHMARK_SECRET_KEY"]
    )
