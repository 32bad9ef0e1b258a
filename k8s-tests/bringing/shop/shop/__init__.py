"""A shop as its authors wrote it: nothing in it knows of the deployment."""

import os
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask, jsonify, request, session
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()
migrate = Migrate()


class Order(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    article = db.Column(db.String(80), nullable=False)
    shipped = db.Column(db.Boolean, nullable=False, default=False)


def create_app():
    app = Flask(__name__)
    app.config["SECRET_KEY"] = os.environ["SECRET_KEY"]
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
    db.init_app(app)
    migrate.init_app(app, db)

    @app.get("/")
    def index():
        session["visits"] = session.get("visits", 0) + 1
        return jsonify(visits=session["visits"])

    @app.get("/healthz")
    def health():
        db.session.execute(db.text("select 1"))
        return "ok"

    @app.post("/orders")
    def order():
        from shop.tasks import ship

        placed = Order(article=request.json["article"])
        db.session.add(placed)
        db.session.commit()
        with Path("cache/last").open("w") as file:
            file.write(f"{datetime.now(UTC)}")
        ship.delay(placed.id)
        return jsonify(id=placed.id), 201

    @app.get("/orders/<int:number>")
    def show(number):
        found = db.get_or_404(Order, number)
        return jsonify(id=found.id, article=found.article, shipped=found.shipped)

    Path("cache").mkdir(exist_ok=True)
    return app
